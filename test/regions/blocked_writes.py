"""A critical group loses every other region, for longer than some clients wait."""

import time

from dev_cluster import Trouble
from load_client import LoadClient
from story import GROUP, group, in_sync, more


def writes_are_blocked(seconds):
    """For so long, and until a client that waits for ten seconds has given up."""
    def story(cluster, producer, consumer):
        cluster.magpie("bj", "topic", "create", "hasty", "--partitions", "1", "--config",
                       f"magpie.failover.group={GROUP}")
        hasty = LoadClient(cluster.load, cluster.folder, "produce", cluster.bootstrap(), "hasty",
                           "--rate", "100", "--set", "message.timeout.ms=10000")
        try:
            more(hasty, 100, "the hasty producer")
            more(producer, 1000, "the producer")
            cluster.tell("kill sh gz")
            cluster.wait(lambda: group(cluster, "bj")["leadership"]["blocked"] is not None,
                         "writes are blocked")
            begin = time.monotonic()
            cluster.wait(lambda: hasty.events_of_any("failed"), "the hasty producer gives up", 60)
            time.sleep(max(0, begin + seconds - time.monotonic()))
            before = len(producer.events("acked"))
            if group(cluster, "bj")["leadership"]["blocked"] is None:
                raise Trouble("writes were blocked no longer")
            cluster.tell("start sh gz")
            cluster.wait(lambda: in_sync(cluster, "bj"), "the group is in sync again")
            cluster.wait(lambda: len(producer.events("acked")) >= before + 1000,
                         "the producer goes on")
            more(hasty, 100, "the hasty producer, later")
            trouble = hasty.finish()
        finally:
            hasty.kill()
        reader = LoadClient(cluster.load, cluster.folder, "read", cluster.bootstrap(), "hasty")
        trouble = trouble or reader.finish()
        stored = {number for _, _, number, _ in reader.events("read")}
        lost = [number for _, _, number, _ in hasty.events("acked") if number not in stored]
        reasons = {line.split(" ", 4)[4] for line in hasty.events_of_any("failed")}
        if trouble or lost or reasons != {"_MSG_TIMED_OUT"}:
            raise Trouble(f"the hasty producer: {trouble} {len(lost)} lost, told {reasons}")
        more(consumer, 1000, "the consumer at the end")
    return story
