// The image of a control store in one SQLite file.
//
// Tables: `meta` (name, value) with the cluster's name and id, the member id, the number of starts
// and the revision; `kvs`; `leases`. docs/formats/control-store.md lists the columns. The file is
// in WAL mode with synchronous=FULL: when commit() has returned, the changes survive a power loss.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "store/image.h"

struct sqlite3;
struct sqlite3_stmt;

namespace magpie::server {

inline constexpr const char* kStoreFile = "store.db";
// Beside it: says that there was a store here, so that a missing one is not taken for a new one.
inline constexpr const char* kStoreMarkFile = "store.mark";

class SqliteStore {
 public:
  // Opens or creates the store in `directory`, and counts the start. Errors: kUnsupported for a
  // newer format, kCorrupt for a damaged or missing file, kInvalidArgument for the store of another
  // cluster, kIo and kNoSpace for what the disk refuses. Nothing is changed on an error.
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& directory,
                                                   const std::string& cluster,
                                                   uint64_t new_cluster_id, uint64_t new_member_id);

  // Makes a new directory's store out of a backup (a copy that SQLite's own backup has made), under
  // another cluster id, so that nodes notice. The backup stays as it is. `directory` must exist and
  // hold no store; error kAlreadyExists. Otherwise errors as open(), and nothing is there then.
  static Status restore(const std::string& backup, const std::string& directory,
                        const std::string& cluster, uint64_t new_cluster_id,
                        uint64_t new_member_id);
  ~SqliteStore();
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  bool created() const { return created_; }
  Result<store::Image> load();

  // Makes the changes durable, all or none. Error kNoSpace: none, and it may be tried again. Any
  // other error leaves open what the file holds: the process must end.
  Status commit(const store::ImageChanges& changes);

 private:
  struct Apply;
  using Statement = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;

  explicit SqliteStore(sqlite3* database, std::string path);
  static Status restore_into(const std::string& backup, const std::string& folder,
                             const std::string& cluster, uint64_t new_cluster_id,
                             uint64_t new_member_id);
  Status run(const char* sql);
  Result<Statement> prepare(const char* sql);
  Status check_format();
  Status create(const std::string& cluster, uint64_t cluster_id, uint64_t member_id);
  Status adopt(const std::string& cluster);
  Status set_meta(const std::string& name, const std::string& value);
  Result<std::string> meta(const std::string& name);
  Result<uint64_t> meta_number(const std::string& name);
  Status load_entries(store::Image& image);
  Error failure(int code, const std::string& what) const;

  sqlite3* database_;
  std::string path_;
  bool created_ = false;
};

}  // namespace magpie::server
