"""The API page's Python sample, letter for letter: an oracle of what its sender may sign. The Node one: node/.

Source: API page, "Verifying Signatures". Only the types in its first line are ours.
"""

import hashlib
import hmac
import json

__all__ = ["verify_webhook"]


# fmt: off
def verify_webhook(payload: object, signature: str, secret: str) -> bool:
    signature_value = signature.replace('sha256=', '')
    expected_signature = hmac.new(
        secret.encode('utf-8'),
        json.dumps(payload, separators=(',', ':')).encode('utf-8'),
        hashlib.sha256
    ).hexdigest()
    return hmac.compare_digest(signature_value, expected_signature)
# fmt: on
