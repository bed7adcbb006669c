// Cluster state on the move: keys, values and the conditions under which they may change.
//
// The same shapes go into the node's own journal (journal.h) and, when the state is kept in a
// control store, into its transactions: etcd compares modification revisions and puts or deletes
// keys in exactly this way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace magpie::control {

// A number that rises with every committed transaction. 0: nothing was committed yet.
using Revision = int64_t;

// A new value for a key, or none: the key is deleted.
struct Change {
  std::string key;
  std::optional<std::string> value;

  bool operator==(const Change&) const = default;
};

// Holds if the key was last changed at `modified`; 0 means the key must not exist.
struct Compare {
  std::string key;
  Revision modified = 0;

  bool operator==(const Compare&) const = default;
};

// All changes are made, at one revision, if all compares hold; otherwise none.
// REQUIRES of whoever builds one: no key is changed twice.
struct Transaction {
  std::vector<Compare> compares;
  std::vector<Change> changes;

  // Nothing to commit: the state is already as wanted, or the request was only to be validated.
  bool empty() const { return changes.empty(); }
  bool operator==(const Transaction&) const = default;
};

}  // namespace magpie::control
