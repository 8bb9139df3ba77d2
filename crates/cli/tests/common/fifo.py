"""moto's server, with FIFO queues that keep their order as Amazon documents it.

Amazon: "When you receive a message with a message group ID, no more messages for the same message group ID are returned
unless you delete the message, or it becomes visible", and what becomes visible again comes in its order. moto 5.2.5 does
neither:

- `SQSBackend.receive_message` walks over what is visible. Each message whose time is over leaves the set of pending ones
  as the walk meets it, and its group is looked up right after that: as long as others of the group whose time is over as
  well are still in the set, it is passed over. So of a group the *last* such message is given out first: of four in one
  group, take three, let their time run out, take ten, and there come the third and the fourth.
- Requests run in threads (`run_simple(threaded=True)`), and nothing keeps two of them apart. One may take the second
  message of a group while another takes the first. `Queue.delete_message` puts a filtered copy in the place of the list
  of messages, so what was sent or deleted meanwhile is undone. (It also reads all of the list twice.)
- Which groups are blocked is looked up when a request begins and not while it waits, so a group that is let go of stays
  blocked for whoever waits already.

So messages are taken and deleted here, and this and what changes a queue is done by one thread at a time. All else is moto's.
"""

import sys
import threading
import time
from copy import deepcopy

from moto.server import main
from moto.sqs import models

ALONE = threading.RLock()

# Messages that were given out and whose time may not be over, of each queue.
FLYING = {}


def alone(function):
    def called(*args, **kwargs):
        with ALONE:
            return function(*args, **kwargs)

    return called


def taken(queue, count, visibility_timeout, attributes):
    flying = FLYING.setdefault(queue, [])
    flying[:] = [message for message in flying if not message.visible]
    held = {message.group_id for message in flying} if queue.fifo_queue else set()
    found = []
    for message in queue._messages:
        if len(found) == count:
            break
        if message.group_id in held or not message.visible or message.delayed:
            continue
        message.mark_received(visibility_timeout=visibility_timeout)
        flying.append(message)
        copy = deepcopy(message)
        models._filter_message_attributes(copy, attributes)
        found.append(copy)
    return found


def delete_message(self, receipt_handle):
    for messages in [self._messages, FLYING.get(self, [])]:
        for at, message in enumerate(messages):
            if message.had_receipt_handle(receipt_handle):
                del messages[at]
                break


def receive_message(self, queue_name, count, wait_seconds_timeout, visibility_timeout, message_attribute_names=None):
    until = time.monotonic() + wait_seconds_timeout
    queue = self.get_queue(queue_name)
    while True:
        with ALONE:
            found = taken(queue, count, visibility_timeout, message_attribute_names or [])
        if found or time.monotonic() >= until:
            return found
        time.sleep(0.05)


models.SQSBackend.receive_message = receive_message
models.Queue.delete_message = delete_message
for changes in ["add_message", "delete_message"]:
    setattr(models.Queue, changes, alone(getattr(models.Queue, changes)))
models.SQSBackend.change_message_visibility = alone(models.SQSBackend.change_message_visibility)

main(sys.argv[1:])
