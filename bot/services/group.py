"""What is said in a group of parents: one and the same line for danger and for private topics.

Whoever reads along must not see from the answer what somebody is going through (DESIGN §3).
"""

from bot.core.messages import Reply
from bot.services.handling import Context, StoredMessage
from bot.services.wording import constant_numbers


def neutral_line(context: Context, message: StoredMessage) -> Reply:
    """Return the line, with numbers that are the same at every hour and a way to 1:1."""
    services = context.services
    numbers = constant_numbers(services.phrases, services.lines.book, context.sender.region)
    fields = {"invite": invite(context, message), "numbers": numbers}
    return context.say("group.neutral", fields=fields)


def invite(context: Context, message: StoredMessage) -> str:
    """Return how to get from a group to a conversation of one's own."""
    services = context.services
    if message.channel == "wechat" and services.public_url:
        return services.phrases.format("group.invite_link", link=services.public_url)
    return services.phrases.format("group.invite_direct")
