"""Questions as customers ask them, made up from frames, actions and things; written for this fit alone.

Manuals and dictionaries lack them, and they are what the embedder is asked. Which words go together matters less
than that the words of support occur, in the short and careless sentences that people write.
"""

import random

# For each field: things, what one does with them, what goes wrong with them, and what one wants to know about them.
FIELDS = [
    (
        ["order", "parcel", "package", "delivery", "shipment", "purchase", "gift", "replacement part", "box"],
        ["track", "cancel", "change the address of", "delay", "speed up", "combine with another", "pick up",
         "get a receipt for", "redirect to a neighbour", "split", "change the size in", "add something to"],
        ["has not arrived", "arrived damaged", "is late", "was lost", "went to the wrong address", "is missing an item",
         "was left outside", "says delivered but is not here", "is stuck in customs", "was sent twice"],
        ["delivery time of", "shipping costs of", "status of", "tracking number of", "customs duties on", "weight limit of"],
    ),
    (
        ["refund", "return", "exchange", "warranty claim", "repair", "credit note", "voucher", "deposit", "compensation"],
        ["ask for", "cancel", "get", "check on", "send back the goods for", "print the label for", "speed up", "dispute"],
        ["has not been paid", "was refused", "is too small", "takes too long", "went to my old account",
         "was promised and never came", "shows the wrong amount"],
        ["conditions of", "deadline of", "status of", "form for", "costs of"],
    ),
    (
        ["account", "password", "profile", "user name", "e-mail address", "phone number", "login", "two-step code",
         "security question", "home address", "family name", "newsletter", "personal data", "identity document", "passcode"],
        ["change", "reset", "delete", "verify", "close", "recover", "unlock", "update", "confirm", "merge with another",
         "stop sharing", "correct", "prove"],
        ["does not work", "was stolen", "is locked", "was rejected", "is not recognised", "has expired", "was forgotten",
         "could not be verified", "is wrong", "was hacked", "belongs to someone else"],
        ["reason for checking", "rules for", "age limit for", "use of", "safety of"],
    ),
    (
        ["card", "credit card", "debit card", "new card", "virtual card", "throwaway card", "bank card", "spare card",
         "card PIN", "contactless payment", "phone wallet", "cash machine withdrawal"],
        ["activate", "order", "freeze", "cancel", "replace", "link", "unblock", "use abroad", "change the PIN of",
         "find the number of", "receive", "renew", "share", "delete", "add to my phone"],
        ["was declined", "is about to expire", "has not come in the post", "was swallowed by the machine", "is not working",
         "was stolen", "is lost", "was used by someone else", "is blocked", "did not give the right amount", "is broken"],
        ["fee for", "limit of", "exchange rate of", "countries that accept", "delivery of", "currencies of", "brand of"],
    ),
    (
        ["transfer", "payment", "direct debit", "top-up", "cheque", "cash deposit", "standing order", "bank transfer",
         "wire from abroad", "pending payment", "exchange of currency", "foreign transaction", "salary", "automatic top-up"],
        ["cancel", "reverse", "receive", "make", "set up", "check", "speed up", "refund", "explain", "stop", "verify",
         "change the recipient of", "find out who made"],
        ["failed", "is still pending", "was charged twice", "was declined", "is missing from my balance",
         "arrived in the wrong currency", "shows a fee", "was reverted", "I did not make", "is not on my statement",
         "has the wrong exchange rate", "took more than it should", "was sent to the wrong person"],
        ["fee for", "limit of", "time it takes for", "exchange rate of", "source of", "reason of an extra charge on"],
    ),
    (
        ["subscription", "plan", "trial", "membership", "licence", "invoice", "bill", "contract", "discount", "coupon",
         "price", "tariff", "upgrade", "season ticket"],
        ["cancel", "pause", "renew", "change", "pay", "apply", "share", "downgrade", "upgrade", "transfer to someone else",
         "get a copy of", "dispute", "extend", "switch the currency of"],
        ["went up", "was renewed without asking", "is not applied", "has expired", "was charged after I cancelled",
         "shows the wrong name", "is higher than before", "is not valid"],
        ["price of", "terms of", "end of", "difference between the kinds of", "students' rate for", "taxes on"],
    ),
    (
        ["phone", "laptop", "app", "printer", "router", "coffee machine", "battery", "screen", "camera", "speaker",
         "update", "file", "backup", "website", "connection", "headset", "charger", "washing machine", "remote control"],
        ["install", "reset", "update", "connect", "clean", "repair", "turn off", "restore", "charge", "open", "remove",
         "set up", "find the serial number of", "share", "move to a new device"],
        ["does not turn on", "keeps crashing", "is too slow", "makes a noise", "shows an error", "will not connect",
         "leaks", "overheats", "is broken", "freezes", "cannot be found", "stopped working yesterday", "has no sound"],
        ["warranty of", "size of", "manual for", "settings of", "languages of", "requirements of", "noise of"],
    ),
    (
        ["booking", "flight", "room", "ticket", "seat", "table", "appointment", "tour", "rental car", "luggage", "visa",
         "check-in", "course", "reservation", "event"],
        ["book", "cancel", "move to another day", "confirm", "change the name on", "upgrade", "pay for", "find", "extend",
         "bring my dog to", "add a person to", "check in for"],
        ["was cancelled", "is overbooked", "is delayed", "was lost", "is not confirmed", "is on the wrong date",
         "costs more than shown"],
        ["opening hours of", "price of", "rules for", "cancellation fee of", "parking at", "way to", "breakfast with"],
    ),
    (
        ["shop", "support team", "manager", "branch", "driver", "office", "insurance", "claim", "complaint", "feedback",
         "job", "meter", "electricity", "internet access", "mobile data", "SIM card", "roaming", "voicemail"],
        ["call", "reach", "visit", "complain about", "sign up for", "cancel", "report", "write to", "read", "turn on",
         "apply for", "move", "switch to"],
        ["does not answer", "was rude", "is closed", "is not available here", "stopped working", "is too expensive",
         "was cut off", "is wrong"],
        ["phone number of", "opening hours of", "address of", "coverage of", "costs of", "languages spoken by"],
    ),
]
DOING = [
    "how do I {do} my {thing}?", "how can I {do} a {thing}", "can I {do} my {thing}?", "I want to {do} my {thing}",
    "I need to {do} the {thing}, what should I do?", "is it possible to {do} a {thing}?", "where do I go to {do} my {thing}",
    "what is the way to {do} the {thing}?", "help me {do} my {thing} please", "am I able to {do} a {thing} online?",
    "what happens if I {do} my {thing}?", "how long does it take to {do} a {thing}?", "why can't I {do} my {thing}",
    "do I have to pay to {do} my {thing}?", "tell me how to {do} a {thing}", "I would like to {do} my {thing}.",
    "what do I need to {do} a {thing}?", "I tried to {do} my {thing} but it failed", "who can {do} the {thing} for me?",
    "I am not able to {do} my {thing}", "could you {do} my {thing}?", "when can I {do} the {thing}?",
]
WRONG = [
    "my {thing} {wrong}", "the {thing} {wrong}, why?", "why is it that my {thing} {wrong}", "what if my {thing} {wrong}?",
    "I think my {thing} {wrong}, help!", "what should I do when a {thing} {wrong}?", "it seems the {thing} {wrong}",
    "Hi, my {thing} {wrong} and I need help", "the {thing} {wrong} again, can you fix it?", "is it normal that my {thing} {wrong}?",
]
KNOWING = [
    "what is the {fact} a {thing}?", "tell me the {fact} my {thing}", "I'd like to know the {fact} the {thing}",
    "where can I see the {fact} my {thing}?", "is there a {fact} the {thing}", "what about the {fact} a {thing}?",
    "could you explain the {fact} my {thing}?", "why did the {fact} my {thing} change?",
]


def questions(count: int) -> list[str]:
    """So many different questions, always the same ones."""
    draw = random.Random(2)
    made = {}
    while len(made) < count:
        things, doings, wrongs, facts = draw.choice(FIELDS)
        thing = draw.choice(things)
        kind = draw.random()
        if kind < 0.5:
            text = draw.choice(DOING).format(do=draw.choice(doings), thing=thing)
        elif kind < 0.8:
            text = draw.choice(WRONG).format(wrong=draw.choice(wrongs), thing=thing)
        else:
            text = draw.choice(KNOWING).format(fact=draw.choice(facts), thing=thing)
        made[text] = None
    return list(made)
