#include "node/testing/message_fields.h"

#include <fmt/format.h>

#include <string_view>

#include "record/batch.h"
#include "wire/hex.h"

namespace magpie::node::testing {
namespace {

// Stored batches without the leader epoch, which counts the starts of one broker.
Buffer without_epochs(const Buffer& records) {
  Buffer copy = Buffer::copy_of(records.text());
  size_t begin = 0;
  while (copy.size() >= begin + record::kBatchHeaderBytes) {
    const auto batch = copy.mutable_bytes().subspan(begin);
    const record::BatchHeader header = record::parse_header(batch);
    if (!record::is_plausible(header)) break;
    record::stamp(batch, header.base_offset, kNoLeaderEpoch);
    begin += header.size_bytes();
  }
  return copy;
}

class Lister final : public wire::FieldVisitor {
 public:
  void number(const std::string& path, int64_t& value) override {
    fields.push_back({path, std::to_string(value)});
  }
  void error_code(const std::string& path, wire::ErrorCode& value) override {
    fields.push_back({path, wire::to_string(value)});
  }
  void text(const std::string& path, std::string& value) override {
    fields.push_back({path, fmt::format("\"{}\"", value)});
  }
  void uuid(const std::string& path, Uuid& value) override {
    fields.push_back({path, to_string(value)});
  }
  void bytes(const std::string& path, Buffer& value) override {
    const Field field{path, ""};
    const Buffer& shown = field.name() == "records" ? without_epochs(value) : value;
    fields.push_back({path, fmt::format("bytes {}", wire::to_hex(shown))});
  }
  void null(const std::string& path) override { fields.push_back({path, "null"}); }
  void count(const std::string& path, size_t elements) override {
    fields.push_back({path, fmt::format("[{}]", elements)});
  }

  std::vector<Field> fields;
};

class Replacer final : public wire::FieldVisitor {
 public:
  explicit Replacer(const std::map<std::string, std::string>& texts) : texts_(texts) {}

  void text(const std::string&, std::string& value) override {
    const auto found = texts_.find(value);
    if (found != texts_.end()) value = found->second;
  }
  void number(const std::string&, int64_t&) override {}
  void error_code(const std::string&, wire::ErrorCode&) override {}
  void uuid(const std::string&, Uuid&) override {}
  void bytes(const std::string&, Buffer&) override {}
  void null(const std::string&) override {}
  void count(const std::string&, size_t) override {}

 private:
  const std::map<std::string, std::string>& texts_;
};

}  // namespace

std::string Field::name() const {
  return path.substr(path.rfind('.') + 1);
}

const wire::MessageEntry* find_message(int16_t api_key, bool is_request) {
  const wire::ApiInfo* api = wire::find_api(api_key);
  if (api == nullptr) return nullptr;
  const std::string name = std::string(api->name) + (is_request ? "Request" : "Response");
  for (const wire::MessageEntry& entry : wire::all_messages()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::optional<std::vector<Field>> read_fields(const wire::MessageEntry& message, ByteReader in,
                                              int version) {
  const Buffer body = in.read_buffer(in.remaining());
  ByteReader again(body);
  Lister lister;
  const auto encoded = message.visit(again, version, lister);
  if (!encoded || again.remaining() != 0 || *encoded != body) return std::nullopt;
  return std::move(lister.fields);
}

std::optional<Buffer> Translation::apply(const wire::MessageEntry& message, ByteReader in,
                                         int version) const {
  Replacer replacer(texts_);
  return message.visit(in, version, replacer);
}

}  // namespace magpie::node::testing
