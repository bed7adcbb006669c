// Command load does on franz-go what magpie-load does on librdkafka: the same arguments, the same
// lines (test/load/load.h), and an end when standard input closes.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	flushPatience = 60 * time.Second
	openMax       = 5000 // records without an answer; beyond that none is added
	valueBytes    = 100
)

var (
	lock sync.Mutex
	out  = bufio.NewWriterSize(os.Stdout, 1<<20)
)

// Of CLOCK_MONOTONIC, which the time package does not show.
func millis() int64 {
	var now syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano() / 1_000_000
}

func say(word string, partition int32, number int64, last string) {
	lock.Lock()
	defer lock.Unlock()
	fmt.Fprintf(out, "%s %d %d %d %s\n", word, millis(), partition, number, last)
}

func flush() {
	lock.Lock()
	defer lock.Unlock()
	out.Flush()
}

func endOfInput() context.Context {
	ended, end := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		end()
	}()
	return ended
}

func option(name, otherwise string) string {
	for at := 4; at+1 < len(os.Args); at += 2 {
		if os.Args[at] == name {
			return os.Args[at+1]
		}
	}
	return otherwise
}

func number(name, otherwise string) int64 {
	value, err := strconv.ParseInt(option(name, otherwise), 10, 64)
	if err != nil || value <= 0 {
		die("%s is no number", name)
	}
	return value
}

func die(format string, arguments ...any) {
	flush()
	fmt.Fprintf(os.Stderr, "error: "+format+"\n", arguments...)
	os.Exit(1)
}

func produce(bootstrap []string, topic string) {
	partitions, rate := number("--partitions", "1"), number("--rate", "1000")
	// Uncompressed, so that the harness can read what regions have on their disks.
	// What ends before its first answer is a node that died, and not a lack of TLS or SASL.
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.AlwaysRetryEOF())
	if err != nil {
		die("%v", err)
	}
	end := endOfInput()
	var open atomic.Int64
	next := make([]int64, partitions)
	sent := int64(0)
	send := func() {
		partition := int32(sent % partitions)
		count := next[partition]
		value := fmt.Sprintf("%d:%d:", partition, count)
		value += strings.Repeat(".", max(0, valueBytes-len(value)))
		next[partition]++
		sent++
		open.Add(1)
		record := &kgo.Record{Partition: partition, Value: []byte(value)}
		client.Produce(context.Background(), record, func(done *kgo.Record, err error) {
			if err == nil {
				say("acked", partition, count, strconv.FormatInt(done.Offset, 10))
			} else {
				say("failed", partition, count, strings.ReplaceAll(err.Error(), " ", "_"))
			}
			open.Add(-1)
		})
	}
	// A time in which nothing could be sent is not made up for.
	creditFrom := millis()
	for end.Err() == nil {
		now := millis()
		due := (now - creditFrom) * rate / 1000
		if due > 0 {
			creditFrom = now
		}
		for ; due > 0 && open.Load() < openMax; due-- {
			send()
		}
		flush()
		time.Sleep(5 * time.Millisecond)
	}
	patience, stop := context.WithTimeout(context.Background(), flushPatience)
	defer stop()
	client.Flush(patience)
	flush()
	if left := open.Load(); left > 0 {
		die("%d records are still without an answer", left)
	}
	client.Close()
}

func consume(bootstrap []string, topic string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(option("--group", "")), kgo.AutoCommitInterval(time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AlwaysRetryEOF())
	if err != nil {
		die("%v", err)
	}
	end := endOfInput()
	for end.Err() == nil {
		patience, stop := context.WithTimeout(end, 100*time.Millisecond)
		fetches := client.PollFetches(patience)
		stop()
		fetches.EachRecord(func(record *kgo.Record) {
			parts := strings.SplitN(string(record.Value), ":", 3)
			if len(parts) < 3 || parts[0] != strconv.Itoa(int(record.Partition)) {
				die("partition %d offset %d: not a record of this program", record.Partition,
					record.Offset)
			}
			count, _ := strconv.ParseInt(parts[1], 10, 64)
			say("read", record.Partition, count, strconv.FormatInt(record.Offset, 10))
		})
		fetches.EachError(func(topic string, partition int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				fmt.Fprintf(os.Stderr, "partition %d: %v\n", partition, err)
			}
		})
		flush()
	}
	client.Close()
}

func main() {
	if len(os.Args) < 4 {
		die("load produce|consume BOOTSTRAP TOPIC [--NAME VALUE]")
	}
	bootstrap := strings.Split(os.Args[2], ",")
	if os.Args[1] == "produce" {
		produce(bootstrap, os.Args[3])
	} else {
		consume(bootstrap, os.Args[3])
	}
	flush()
}
