// Whose data directory this is.
//
// The file `identity` in a data directory says which cluster and node it belongs to and which
// incarnation it is: a directory that was wiped and filled again is another one, even under the
// same node id. It is written once, when a node starts in an empty directory, and after that only
// compared, so that a wrong path in a configuration is an error message and not two nodes' records
// in one place. The one exception: a directory that may have lost what its node said it holds
// (directory_opening.h) becomes another incarnation and keeps its files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/uuid.h"

namespace magpie::control {

// Layout of the data directory as a whole. Format 2 has `directory` in its identity; who does not
// know that would take the files for those of another directory.
inline constexpr int64_t kDataFormat = 2;

struct Identity {
  std::string cluster_id;
  NodeId node_id;
  Uuid incarnation;
  // The first incarnation, if this is a later one: whose files these are.
  std::optional<Uuid> directory;

  const Uuid& first() const { return directory ? *directory : incarnation; }
  bool operator==(const Identity&) const = default;
};

// What is wrong with a cluster id that someone chose, as a sentence; nothing if it can be used: 1
// to 255 characters of [a-zA-Z0-9._-].
std::optional<std::string> cluster_id_problem(std::string_view cluster_id);

// One line of JSON with a checksum.
std::string encode_identity(const Identity& identity);

// `path` appears in messages. kCorrupt if the text is not what encode_identity writes;
// kUnsupported if the directory was written by a newer version.
Result<Identity> decode_identity(std::string_view path, std::string_view text);

// kInvalidArgument, naming the field, if the directory is not that of this cluster and node.
Status check_identity(std::string_view path, const Identity& found, std::string_view cluster_id,
                      NodeId node_id);

}  // namespace magpie::control
