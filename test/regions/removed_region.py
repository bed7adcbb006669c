"""A region is taken out of a running cluster, and in again."""

from dev_cluster import Trouble
from story import GROUP, REGIONS, leads, listed, more, refused


def region_is_removed(cluster, producer, consumer):
    more(producer, 500, "the producer")
    refused(cluster, "bj", "region", "remove", "xx", says="there is no region 'xx'")
    refused(cluster, "sh", "region", "remove", "bj", says="magpie switchover --all-from bj")
    # Which region the other groups begin in is a matter of who was there first.
    if listed(cluster, "gz")["leads"]:
        cluster.magpie("bj", "switchover", "--all-from", "gz", "--to", "bj", seconds=60)
    refused(cluster, "bj", "region", "remove", "gz", says="after_failover")
    cluster.magpie("bj", "failover-group", "alter", GROUP, "--after-failover", "degrade")
    # Of a cluster that has just begun nobody is let go: six leases have to pass.
    cluster.wait(lambda: cluster.run("bj", "region", "remove", "gz", "--dry-run").ok,
                 "regions may change")
    cluster.magpie("bj", "region", "remove", "gz")
    cluster.wait(lambda: "region_removed" in cluster.log_of("gz"), "gz knows that it is out")
    if listed(cluster, "gz")["state"] != "removed":
        raise Trouble(f"gz is not removed: {listed(cluster, 'gz')}")
    more(producer, 1000, "the producer without gz")
    more(consumer, 1000, "the consumer without gz")
    refused(cluster, "gz", "region", "readmit", "gz", says="at a node of another region")
    cluster.magpie("bj", "region", "readmit", "gz")
    cluster.wait(lambda: "region_readmitted" in cluster.log_of("gz"), "gz knows that it is in")
    cluster.magpie("bj", "failover-group", "alter", GROUP, "--regions", ",".join(REGIONS))
    cluster.magpie("bj", "switchover", GROUP, "--to", "gz", seconds=60)
    cluster.wait(lambda: leads(cluster, "bj", "gz"), "gz leads")
    more(producer, 1000, "the producer after gz took over")
    more(consumer, 1000, "the consumer after gz took over")
