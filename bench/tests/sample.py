"""A result document made up for the tests: two peers, both policies, round figures."""


def run(peer, fsync, kind, case, round_number=0, **figures):
    """One record."""
    return {"peer": peer, "fsync": fsync, "round": round_number, "kind": kind, "case": case,
            "figures": figures}


def produce(peer, fsync, case, megabytes, cpu=0.5, round_number=0):
    """A record of a produce run of one second."""
    return run(peer, fsync, "produce", case, round_number, settings=_settings(case),
               megabytes_per_second=megabytes, messages_per_second=megabytes * 1000, seconds=1.0,
               client_cpu_seconds=0.9, broker_cpu_seconds=0.5, other_cores=0.1,
               broker_busiest_thread_cpu_seconds=0.4,
               broker_cpu_seconds_per_gigabyte=cpu, broker_resident_bytes=100 * 2**20, failed=0)


def _settings(case):
    return {"message_bytes": 1024, "partitions": 16, "batch_bytes": 1_000_000, "producers": 1,
            "idempotent": "idempotent" in case, "stick_bytes": 1_000_000, "in_flight": 64}


def follow(peer, fsync, case, p99):
    """A record of a follow run."""
    latency = {"p50_ms": p99 / 4, "p99_ms": p99, "p99_9_ms": p99 * 2, "max_ms": p99 * 4}
    return run(peer, fsync, "follow", case, messages_per_second=1000.0, seconds=5.0,
               client_cpu_seconds=1.0, broker_cpu_seconds=0.5, other_cores=0.1,
               broker_busiest_thread_cpu_seconds=0.4,
               megabytes_per_second=1.0, end_to_end_latency=latency)


def document(records):
    """A whole document around records."""
    return {
        "name": "sample", "date": "2026-01-01T00:00:00+00:00", "command": "bench/run.py",
        "minutes": 1.0, "complete": True, "rounds": 3,
        "machine": {"processor": "Abacus", "cores": 2, "memory_bytes": 2**34,
                    "kernel": "Linux 6.1", "distribution": "Debian 12", "file_system": "ext4"},
        "versions": {"magpie": "magpie 0.1.0", "kafka": "Apache Kafka 4.2.0"},
        "client": "librdkafka 2.0.2", "latency_rates": {}, "records": records,
        "calibrations": [{"spin_ms": 40.0, "fdatasync_16k_p50_ms": 0.2}],
    }
