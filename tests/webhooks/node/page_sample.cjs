// The API page's Node sample, letter for letter; the last line is ours. Source: API page, "Verifying Signatures".
const crypto = require('crypto');
function verifyWebhook(payload, signature, secret) {
const signatureValue = signature.replace('sha256=', '');
const expectedSignature = crypto
.createHmac('sha256', secret)
.update(JSON.stringify(payload))
.digest('hex');
return crypto.timingSafeEqual(
Buffer.from(signatureValue),
Buffer.from(expectedSignature)
);
}
module.exports = { verifyWebhook };
