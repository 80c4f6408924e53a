"""DingTalk: enterprise robots over HTTP callbacks or Stream, work notifications and cards."""
