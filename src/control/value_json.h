// What the codecs of cluster state share: JSON objects with a version, and fields that are checked.
// Only for .cc files, because the JSON library is expensive to include.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/uuid.h"

namespace magpie::control {

using Json = nlohmann::json;

inline constexpr int64_t kValueVersion = 1;

tl::unexpected<Error> malformed(std::string_view key, std::string_view what);

// An object with a version "v" that this program reads.
Result<Json> parse_value(std::string_view key, std::string_view value);

// Adds the version. Fields are in alphabetical order, so equal values have equal bytes.
std::string dump_value(Json object);

// Each returns nothing if the field is absent or is not what it should be.
std::optional<int64_t> integer_of(const Json& json, int64_t low, int64_t high);
std::optional<int64_t> integer_field(const Json& object, const char* field, int64_t low,
                                     int64_t high);
const std::string* text_field(const Json& object, const char* field);
std::optional<bool> bool_field(const Json& object, const char* field);
std::optional<Uuid> uuid_field(const Json& object, const char* field);
std::optional<NodeId> node_field(const Json& object, const char* field);

}  // namespace magpie::control
