"""Counts for Prometheus: what came in, how it was judged, what answered. Codes only, no words."""

from prometheus_client import Counter

ACCEPTED = Counter(
    "xinqing_messages_accepted", "Stored incoming messages", ["channel", "kind", "level"]
)
DUPLICATES = Counter("xinqing_messages_duplicate", "Known platform ids seen again", ["channel"])
SCREEN_FAILURES = Counter("xinqing_screen_failures", "Texts on which the screen itself broke")
SCREENED_ALONE = Counter(
    "xinqing_screen_alone", "Texts that the rules judged alone; looked at again later", ["why"]
)
ROUTED = Counter("xinqing_messages_routed", "Messages with an outcome", ["handler"])
REFUSED = Counter("xinqing_callbacks_refused", "Callbacks that were not taken", ["status"])
