import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Does on Kafka's own client what magpie-load does on librdkafka: the same arguments, the same
 * lines (test/load/load.h), and an end when standard input closes.
 */
final class Load {
    private static final long FLUSH_SECONDS = 60;
    private static final PrintStream OUT = new PrintStream(
        new java.io.FileOutputStream(java.io.FileDescriptor.out), false, StandardCharsets.UTF_8);
    private static final StringBuilder LINES = new StringBuilder();

    private Load() {}

    /** Of CLOCK_MONOTONIC, which nanoTime() reads on Linux. */
    private static long millis() {
        return System.nanoTime() / 1_000_000;
    }

    private static void say(String word, int partition, long number, String last) {
        synchronized (LINES) {
            LINES.append(String.format("%s %d %d %d %s%n", word, millis(), partition, number,
                                       last));
        }
    }

    /** Whole lines only, so that whoever reads along sees none in part. */
    private static void flush() {
        String text;
        synchronized (LINES) {
            text = LINES.toString();
            LINES.setLength(0);
        }
        OUT.print(text);
        OUT.flush();
    }

    private static AtomicBoolean endOfInput() {
        AtomicBoolean reached = new AtomicBoolean();
        Thread watcher = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    continue;
                }
            } catch (IOException ended) {
                // as good as an end
            }
            reached.set(true);
        });
        watcher.setDaemon(true);
        watcher.start();
        return reached;
    }

    private static Map<String, Object> settings(String bootstrap) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("reconnect.backoff.max.ms", 200);
        return settings;
    }

    private static int produce(String bootstrap, String topic, Map<String, String> options)
            throws InterruptedException {
        int partitions = Integer.parseInt(options.getOrDefault("--partitions", "1"));
        int rate = Integer.parseInt(options.getOrDefault("--rate", "1000"));
        Map<String, Object> settings = settings(bootstrap);
        settings.put("enable.idempotence", true);
        settings.put("linger.ms", 5);
        AtomicBoolean end = endOfInput();
        AtomicLong open = new AtomicLong();
        long[] next = new long[partitions];
        long sent = 0;
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
            settings, new ByteArraySerializer(), new ByteArraySerializer());
        // A time in which nothing could be sent is not made up for.
        long creditFrom = millis();
        while (!end.get()) {
            long now = millis();
            long due = (now - creditFrom) * rate / 1000;
            if (due > 0) {
                creditFrom = now;
            }
            for (; due > 0; --due, ++sent) {
                int partition = (int) (sent % partitions);
                long number = next[partition]++;
                String value = partition + ":" + number + ":";
                value += ".".repeat(Math.max(0, 100 - value.length()));
                open.incrementAndGet();
                producer.send(
                    new ProducerRecord<>(topic, partition, null,
                                         value.getBytes(StandardCharsets.UTF_8)),
                    (RecordMetadata where, Exception failure) -> {
                        if (failure == null) {
                            say("acked", partition, number, Long.toString(where.offset()));
                        } else {
                            say("failed", partition, number, failure.getClass().getSimpleName());
                        }
                        open.decrementAndGet();
                    });
            }
            flush();
            Thread.sleep(5);
        }
        long patience = millis() + FLUSH_SECONDS * 1000;
        while (open.get() > 0 && millis() < patience) {
            flush();
            Thread.sleep(5);
        }
        flush();
        if (open.get() > 0) {
            System.err.println("error: " + open.get() + " records are still without an answer");
            producer.close(Duration.ZERO);
            return 1;
        }
        producer.close();
        return 0;
    }

    private static int consume(String bootstrap, String topic, Map<String, String> options) {
        Map<String, Object> settings = settings(bootstrap);
        settings.put("group.id", options.get("--group"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("auto.commit.interval.ms", 1000);
        AtomicBoolean end = endOfInput();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (!end.get()) {
                for (ConsumerRecord<byte[], byte[]> record
                        : consumer.poll(Duration.ofMillis(100))) {
                    String[] parts =
                        new String(record.value(), StandardCharsets.UTF_8).split(":", 3);
                    if (parts.length < 3 || Integer.parseInt(parts[0]) != record.partition()) {
                        System.err.println("error: partition " + record.partition() + " offset "
                            + record.offset() + ": not a record of this program");
                        return 1;
                    }
                    say("read", record.partition(), Long.parseLong(parts[1]),
                        Long.toString(record.offset()));
                }
                flush();
            }
        }
        return 0;
    }

    public static void main(String[] words) throws InterruptedException {
        Map<String, String> options = new HashMap<>();
        for (int at = 3; at + 1 < words.length; at += 2) {
            options.put(words[at], words[at + 1]);
        }
        int code = words[0].equals("produce") ? produce(words[1], words[2], options)
            : consume(words[1], words[2], options);
        flush();
        System.exit(code);
    }
}
