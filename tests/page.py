"""The API page's own JSON, letter for letter, in one place for all tests."""

__all__ = ["ADD_ANSWER", "ADD_BODY", "CAMPAIGNS_ANSWER", "CLIENTS_ANSWER", "ERROR_ANSWER", "WEBHOOK_BODY"]

CAMPAIGNS_ANSWER = """{
"campaigns": [
{
"id": "550e8400-e29b-41d4-a716-446655440000",
"name": "Client Onboarding Flow",
"created_at": "2024-01-01T00:00:00Z",
"updated_at": "2024-01-15T10:30:00Z"
}
]
}"""
CLIENTS_ANSWER = """{
"clients": [
{
"id": "770e8400-e29b-41d4-a716-446655440002",
"campaign_id": "550e8400-e29b-41d4-a716-446655440000",
"first_name": "John",
"last_name": "Doe",
"email": "john@example.com",
"company_name": "Acme Corp",
"phone": "+1234567890",
"created_at": "2024-01-15T09:00:00Z"
}
]
}"""
ADD_BODY = """{
"campaign_id": "550e8400-e29b-41d4-a716-446655440000",
"first_name": "John",
"last_name": "Doe",
"email": "john@example.com",
"company_name": "Acme Corp",
"phone": "+1234567890"
}"""
ADD_ANSWER = """{
"client": {
"id": "770e8400-e29b-41d4-a716-446655440002",
"campaign_id": "550e8400-e29b-41d4-a716-446655440000",
"first_name": "John",
"last_name": "Doe",
"email": "john@example.com",
"company_name": "Acme Corp",
"phone": "+1234567890",
"link": "https://app.360onboard.com/c/abc123xyz789",
"created_at": "2024-01-15T09:00:00Z"
}
}"""
ERROR_ANSWER = """{
"error": "Error message",
"details": "Additional details"
}"""
WEBHOOK_BODY = """{
"event": "client.created",
"data": {
"client_id": "770e8400-e29b-41d4-a716-446655440002",
"campaign_id": "550e8400-e29b-41d4-a716-446655440000",
"campaign_name": "Client Onboarding Flow",
"first_name": "John",
"last_name": "Doe",
"email": "john@example.com",
"company_name": "Acme Corp",
"phone": "+1234567890",
"link": "https://app.360onboard.com/c/abc123xyz789",
"created_at": "2024-01-15T09:00:00Z"
},
"timestamp": "2024-01-15T09:00:00Z"
}"""
