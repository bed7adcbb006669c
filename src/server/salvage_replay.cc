#include "server/salvage_replay.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

#include "control/topic_name.h"
#include "os/data_lock.h"
#include "record/batch.h"
#include "record/builder.h"
#include "record/reader.h"
#include "server/kafka_connection.h"
#include "wire/describe_configs.h"
#include "wire/metadata.h"
#include "wire/produce.h"

namespace magpie::server {
namespace {

using salvage::Fate;
using wire::ErrorCode;

constexpr int kMetadataVersion = 12;
constexpr int kProduceVersion = 7;
constexpr int kDescribeConfigsVersion = 4;
constexpr int8_t kTopicResource = 2;
// How often a leader is looked for anew while leadership moves.
constexpr int kTries = 20;
constexpr std::chrono::milliseconds kPause(500);
constexpr const char* kReplayedName = "replayed.txt";
constexpr const char* kReplayedTitle = "batches of this tail that were replayed, by first offset";

std::string folder_of(const KeptTail& kept, const ReplayRequest& request) {
  return fmt::format("{}/salvage/{}", request.data, kept.name);
}

// --- what was sent before ------------------------------------------------------------------------

// Which batches were acknowledged, by their first offset in the tail: a file with a line for each.
class Remembered {
 public:
  explicit Remembered(const std::string& folder) : path_(folder + "/" + kReplayedName) {}

  // A last line that is cut short says nothing.
  Status read() {
    std::ifstream in(path_);
    if (!in) return {};
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    size_t at = 0;
    for (size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      const std::string_view line = std::string_view(text).substr(at, end - at);
      int64_t offset = 0;
      const auto parsed = std::from_chars(line.data(), line.data() + line.size(), offset);
      const bool whole = parsed.ec == std::errc() && parsed.ptr == line.data() + line.size();
      if (at == 0 ? line != kReplayedTitle : !whole) {
        return fail(ErrorKind::kCorrupt, path_ + " is not what magpie salvage replay writes");
      }
      if (at > 0) offsets_.insert(offset);
    }
    return {};
  }

  bool contains(int64_t offset) const { return offsets_.contains(offset); }

  // To be called before add(): shows that it can be written.
  Status begin_writing() {
    const std::string beside = path_ + ".replacing";
    out_.open(beside, std::ios::binary | std::ios::trunc);
    out_ << kReplayedTitle << "\n";
    for (const int64_t offset : offsets_) out_ << offset << "\n";
    out_.flush();
    if (!out_) return fail(ErrorKind::kIo, beside + " cannot be written");
    std::error_code error;
    std::filesystem::rename(beside, path_, error);
    if (error) return fail(ErrorKind::kIo, fmt::format("{}: {}", path_, error.message()));
    return {};
  }

  Status add(int64_t offset) {
    offsets_.insert(offset);
    out_ << offset << "\n";
    out_.flush();
    if (out_) return {};
    return fail(ErrorKind::kIo,
                fmt::format("{} cannot be written, so a repeated replay would send the batch at "
                            "offset {} of the tail, which was stored, once more",
                            path_, offset));
  }

 private:
  std::string path_;
  std::set<int64_t> offsets_;
  std::ofstream out_;
};

// --- what is to be sent --------------------------------------------------------------------------

// The same bytes as of no producer, and without what a leader has stamped.
Buffer unstamped(record::BatchHeader header, std::span<const std::byte> bytes) {
  std::string copy(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto place = std::as_writable_bytes(std::span(copy.data(), copy.size()));
  header.base_offset = Offset{0};
  header.leader_epoch = kNoLeaderEpoch;
  header.producer_id = kNoProducerId;
  header.producer_epoch = ProducerEpoch{-1};
  header.base_sequence = -1;
  header.attributes &= static_cast<uint16_t>(~record::kLogAppendTimeBit);
  record::store_header(place, header);
  header.crc = record::checksum_of(place);
  record::store_header(place, header);
  return Buffer::copy_of(copy);
}

// Compaction has taken records out, or noted in it what nobody else may send.
Result<Buffer> rebuilt(const record::BatchHeader& header, std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto reader = record::RecordReader::open(Buffer::copy_of(text));
  if (!reader) return fail(reader.error());
  record::BatchBuilder builder(header.codec());
  for (;;) {
    const auto record = reader->next();
    if (!record) return fail(record.error());
    if (!record->has_value()) return builder.build();
    const auto headers = record::read_headers(**record);
    if (!headers) return fail(headers.error());
    builder.add({(*record)->timestamp, (*record)->key, (*record)->value, *headers});
  }
}

// What a producer would send.
Result<Buffer> as_produced(const record::BatchHeader& header, std::span<const std::byte> bytes) {
  const bool compacted =
      header.has_delete_horizon() || header.last_offset_delta + 1 != header.record_count;
  if (compacted) return rebuilt(header, bytes);
  return unstamped(header, bytes);
}

using OnWanted = std::function<Status(const record::BatchHeader&, std::span<const std::byte>)>;

// Calls for each batch that is to be sent, until one fails; counts what it calls for.
Result<Replayed> for_each_wanted(const KeptTail& kept, const ReplayRequest& request,
                                 const Remembered& remembered, const OnWanted& on_wanted) {
  Replayed counts;
  Status failed;
  const Status read = for_each_batch(
      request.data, kept, request.survivor,
      [&](const record::BatchHeader& header, std::span<const std::byte> bytes, Fate fate) {
        // A compaction of the tail's log can leave a batch without records.
        if (!failed || header.record_count == 0 || header.is_control()) return;
        if (remembered.contains(header.base_offset.value)) {
          counts.before += header.record_count;
        } else if (!request.fates.contains(fate)) {
          counts.left += header.record_count;
        } else {
          failed = on_wanted(header, bytes);
          if (failed) counts.records += header.record_count;
        }
      });
  if (!read) return fail(read.error());
  if (failed) return counts;
  return fail(failed.error().kind, fmt::format("{} ({} records were stored before)",
                                               failed.error().message, counts.records));
}

Status no_internal_topic(const KeptTail& kept) {
  if (!control::is_internal_topic(kept.tail.topic)) return {};
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("'{}' is an internal topic, in which the cluster keeps its own records; "
                          "nothing is ever replayed into it",
                          kept.tail.topic));
}

// --- sending -------------------------------------------------------------------------------------

class Sender {
 public:
  Sender(const KeptTail& kept, const ReplayRequest& request)
      : tail_(kept.tail), request_(request), any_(request.timeout) {}

  // The topic that the tail was cut from, and not compacted.
  Status check_topic() {
    if (Status connected = any_.connect(request_.kafka); !connected) return connected;
    const auto leader = find_leader();
    if (!leader) return fail(leader.error());
    if (request_.into_compacted) return {};
    wire::DescribeConfigsRequest asked;
    asked.resources.resize(1);
    asked.resources[0].resource_type = kTopicResource;
    asked.resources[0].resource_name = tail_.topic;
    asked.resources[0].configuration_keys = std::vector<std::string>{"cleanup.policy"};
    const auto answer = any_.call<wire::DescribeConfigsResponse>(asked, kDescribeConfigsVersion);
    if (!answer) return fail(answer.error());
    return not_compacted(*answer);
  }

  // Until it is stored, or refused for a reason that stays.
  Status send(const record::BatchHeader& header, const Buffer& batch) {
    std::string reason;
    for (int attempt = 0; attempt < kTries; ++attempt) {
      if (attempt > 0) std::this_thread::sleep_for(kPause);
      auto leader = find_leader();
      if (!leader) return fail(leader.error());
      if (!leader->has_value()) {
        reason = "the partition has no leader";
        continue;
      }
      const auto error = produce(**leader, batch);
      if (!error) return fail(error.error());
      if (*error == ErrorCode::kNone) return {};
      reason = wire::to_string(*error);
      if (!is_retried(*error)) break;
      leader_.reset();
    }
    return fail(ErrorKind::kUnavailable,
                fmt::format("the batch at offset {} of the tail was not acknowledged: {}",
                            header.base_offset.value, reason));
  }

 private:
  // Somebody else leads, or the leader waits for others. As of any producer without an id, a batch
  // that was taken just before may so be stored twice.
  static bool is_retried(ErrorCode error) {
    return error == ErrorCode::kNotLeaderOrFollower || error == ErrorCode::kLeaderNotAvailable ||
           error == ErrorCode::kNotEnoughReplicas;
  }

  Status not_compacted(const wire::DescribeConfigsResponse& answer) const {
    if (answer.results.empty() || answer.results[0].configs.empty()) {
      return fail(
          ErrorKind::kUnavailable,
          fmt::format("the broker does not say whether topic '{}' is compacted: {}", tail_.topic,
                      answer.results.empty() ? "no answer"
                                             : wire::to_string(answer.results[0].error_code)));
    }
    const std::string policy = answer.results[0].configs[0].value.value_or("");
    if (policy.find("compact") == std::string::npos) return {};
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("topic '{}' is compacted: a record that is replayed would hide a newer "
                            "one of its key. Look at the records first; then --into-compacted",
                            tail_.topic));
  }

  // Nothing while the partition has no leader. Errors: another topic has the name.
  Result<std::optional<HostPort>> find_leader() {
    wire::MetadataRequest asked;
    asked.topics.emplace().push_back({{}, tail_.topic});
    asked.allow_auto_topic_creation = false;
    const auto answer = any_.call<wire::MetadataResponse>(asked, kMetadataVersion);
    if (!answer) return fail(answer.error());
    const auto gone = [&](const char* why) {
      return fail(ErrorKind::kNotFound, fmt::format("partition {} of topic '{}' {}",
                                                    tail_.partition.value, tail_.topic, why));
    };
    if (answer->topics.empty() || answer->topics[0].error_code != ErrorCode::kNone) {
      return gone("does not exist");
    }
    const auto& topic = answer->topics[0];
    if (topic.topic_id != tail_.topic_id) return gone("was deleted and created anew");
    for (const auto& partition : topic.partitions) {
      if (partition.partition_index != tail_.partition.value) continue;
      for (const auto& broker : answer->brokers) {
        if (broker.node_id != partition.leader_id) continue;
        return std::optional(HostPort{broker.host, static_cast<uint16_t>(broker.port)});
      }
      return std::optional<HostPort>();
    }
    return gone("does not exist");
  }

  Result<ErrorCode> produce(const HostPort& leader, const Buffer& batch) {
    if (!leader_ || leader_address_ != leader) {
      leader_.emplace(request_.timeout);
      leader_address_ = leader;
      if (Status connected = leader_->connect(leader); !connected) return fail(connected.error());
    }
    wire::ProduceRequest request;
    request.acks = -1;
    request.timeout_ms = static_cast<int32_t>(request_.timeout.to_milliseconds());
    request.topic_data.resize(1);
    request.topic_data[0].name = tail_.topic;
    request.topic_data[0].partition_data.resize(1);
    request.topic_data[0].partition_data[0].index = tail_.partition.value;
    request.topic_data[0].partition_data[0].records = batch;
    const auto answer = leader_->call<wire::ProduceResponse>(request, kProduceVersion);
    if (!answer) return fail(answer.error());
    if (answer->responses.empty() || answer->responses[0].partition_responses.empty()) {
      return fail(ErrorKind::kCorrupt, "the answer is not one of a Kafka broker");
    }
    return answer->responses[0].partition_responses[0].error_code;
  }

  const salvage::Tail& tail_;
  const ReplayRequest& request_;
  KafkaConnection any_;
  std::optional<KafkaConnection> leader_;
  HostPort leader_address_;
};

}  // namespace

Result<Replayed> plan_replay(const KeptTail& kept, const ReplayRequest& request) {
  if (Status may = no_internal_topic(kept); !may) return fail(may.error());
  Remembered remembered(folder_of(kept, request));
  if (Status read = remembered.read(); !read) return fail(read.error());
  return for_each_wanted(kept, request, remembered, [](const auto&, auto) { return Status(); });
}

Result<Replayed> replay_tail(const KeptTail& kept, const ReplayRequest& request) {
  if (Status may = no_internal_topic(kept); !may) return fail(may.error());
  const std::string folder = folder_of(kept, request);
  const auto alone = os::DataLock::take(folder);
  if (!alone) {
    return fail(alone.error().kind, fmt::format("{} cannot be locked; is another replay of it at "
                                                "work?",
                                                folder));
  }
  Remembered remembered(folder);
  if (Status read = remembered.read(); !read) return fail(read.error());
  if (Status writes = remembered.begin_writing(); !writes) return fail(writes.error());
  Sender sender(kept, request);
  if (Status fits = sender.check_topic(); !fits) return fail(fits.error());
  return for_each_wanted(
      kept, request, remembered,
      [&](const record::BatchHeader& header, std::span<const std::byte> bytes) -> Status {
        const auto batch = as_produced(header, bytes);
        if (!batch) return fail(batch.error());
        if (Status sent = sender.send(header, *batch); !sent) return sent;
        return remembered.add(header.base_offset.value);
      });
}

}  // namespace magpie::server
