"""Kafka -> ClickHouse as a Python service does it: 1,000 rows an insert, a commit after each.

Every way to make it faster that costs the reader nothing is taken: the C client of
Kafka, whole batches from it, the native protocol with lz4, no type checks.
"""

import argparse
import decimal
import json
import os
import signal
import sys
from datetime import datetime, timezone

from clickhouse_driver import Client
from confluent_kafka import Consumer

COLUMNS = "event_id, event_type, user_id, product_id, price, timestamp, received_at"


def row(message):
    event = json.loads(message.value(), parse_float=decimal.Decimal)
    return (
        event["event_id"],
        event["event_type"],
        event["user_id"],
        event["product_id"],
        event["price"],
        datetime.fromisoformat(event["timestamp"]),
        datetime.fromtimestamp(message.timestamp()[1] / 1000, timezone.utc),
    )


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--group", default="python")
    flags.add_argument("--count", type=int, default=0, help="stop after so many records; 0: at SIGTERM")
    flags.add_argument("--block", type=int, default=1000, help="rows of an insert")
    flags.add_argument("--flush", type=float, default=1, help="seconds that a block waits for its last row")
    args = flags.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    host, port = os.environ["CLICKHOUSE_ADDR"].split(":")
    database = Client(host, int(port), database=os.environ["CLICKHOUSE_DATABASE"], compression="lz4")
    consumer = Consumer({
        "bootstrap.servers": os.environ["KAFKA_BROKERS"],
        "group.id": args.group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([os.environ["KAFKA_TOPIC"]])
    stored = 0
    try:
        while not args.count or stored < args.count:
            messages = consumer.consume(args.block, args.flush)
            rows = [row(m) for m in messages if not m.error()]
            if not rows:
                continue
            database.execute(f"INSERT INTO events ({COLUMNS}) VALUES", rows)
            consumer.commit(asynchronous=False)
            stored += len(rows)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
