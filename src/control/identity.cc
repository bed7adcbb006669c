#include "control/identity.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "base/crc32c.h"
#include "control/journal_format.h"

namespace magpie::control {
namespace {

using Json = nlohmann::json;

std::string checksum(const Json& fields) {
  const std::string text = fields.dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format("{:08x}", crc32c(std::as_bytes(std::span(text.data(), text.size()))));
}

tl::unexpected<Error> damaged(std::string_view path, std::string_view what) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("{}: {}. The file says whose data directory this is and must not be "
                          "edited; restore it from a backup",
                          path, what));
}

const std::string* text_field(const Json& object, const char* field) {
  const auto found = object.find(field);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

std::optional<int64_t> number_field(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<int64_t>();
}

tl::unexpected<Error> mismatch(std::string_view path, std::string_view field,
                               std::string_view found, std::string_view configured) {
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("{}: the data directory belongs to {} '{}', but '{}' is configured. "
                          "Correct {} or the data directory in the configuration",
                          path, field, found, configured, field));
}

}  // namespace

std::optional<std::string> cluster_id_problem(std::string_view cluster_id) {
  if (cluster_id.empty()) return "cluster_id is empty";
  if (cluster_id.size() > kClusterIdBytesMax) {
    return fmt::format("cluster_id has {} characters; at most {} are allowed", cluster_id.size(),
                       kClusterIdBytesMax);
  }
  for (const char c : cluster_id) {
    const bool legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    if (!legal) return "cluster_id may contain only ASCII letters and digits, '.', '_' and '-'";
  }
  return std::nullopt;
}

std::string encode_identity(const Identity& identity) {
  const int64_t format = identity.directory ? kDataFormat : 1;
  Json fields = {{"format", format},
                 {"cluster_id", identity.cluster_id},
                 {"node_id", identity.node_id.value},
                 {"incarnation", to_string(identity.incarnation)}};
  if (identity.directory) fields["directory"] = to_string(*identity.directory);
  fields["checksum"] = checksum(fields);
  return fields.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Identity> decode_identity(std::string_view path, std::string_view text) {
  Json fields = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!fields.is_object()) return damaged(path, "it is not a JSON object");
  const std::string* stored = text_field(fields, "checksum");
  const std::string expected = stored == nullptr ? "" : *stored;
  fields.erase("checksum");
  if (expected != checksum(fields)) return damaged(path, "its checksum is wrong");

  const std::optional<int64_t> format = number_field(fields, "format");
  if (!format || *format < 1) return damaged(path, "field 'format' must be a number");
  if (*format > kDataFormat) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("{}: the data directory has format {}, but this program reads up to {}. "
                    "Run the newer version of Magpie that wrote it",
                    path, *format, kDataFormat));
  }
  const std::string* cluster_id = text_field(fields, "cluster_id");
  const std::optional<int64_t> node_id = number_field(fields, "node_id");
  const std::string* incarnation = text_field(fields, "incarnation");
  const auto id = incarnation == nullptr ? std::nullopt : parse_uuid(*incarnation);
  if (cluster_id == nullptr) return damaged(path, "field 'cluster_id' is missing");
  if (!node_id || *node_id < 0 || *node_id > INT32_MAX) {
    return damaged(path, "field 'node_id' must be a number");
  }
  if (!id) return damaged(path, "field 'incarnation' is malformed");
  Identity identity{*cluster_id, NodeId{static_cast<int32_t>(*node_id)}, *id, std::nullopt};
  if (const std::string* directory = text_field(fields, "directory")) {
    identity.directory = parse_uuid(*directory);
    if (!identity.directory) return damaged(path, "field 'directory' is malformed");
  }
  return identity;
}

Status check_identity(std::string_view path, const Identity& found, std::string_view cluster_id,
                      NodeId node_id) {
  if (found.cluster_id != cluster_id) {
    return mismatch(path, "cluster_id", found.cluster_id, cluster_id);
  }
  if (found.node_id != node_id) {
    return mismatch(path, "node_id", fmt::format("{}", found.node_id.value),
                    fmt::format("{}", node_id.value));
  }
  return {};
}

}  // namespace magpie::control
