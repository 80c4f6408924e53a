"""The WeChat service account: callbacks in three modes, customer-service messages, tokens."""
