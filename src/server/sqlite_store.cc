#include "server/sqlite_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <utility>

namespace magpie::server {
namespace {

constexpr int kFormat = 1;
// "MGPS", so that `file` and other tools know what it is.
constexpr int kApplicationId = 0x4d475053;

constexpr const char* kTables =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE kvs (key BLOB PRIMARY KEY, value BLOB NOT NULL, create_revision INTEGER NOT NULL,"
    " mod_revision INTEGER NOT NULL, version INTEGER NOT NULL, lease INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE leases (id INTEGER PRIMARY KEY, ttl INTEGER NOT NULL);";

Status make_durable_mark(const std::string& directory) {
  const std::string path = directory + "/" + kStoreMarkFile;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
  const int folder = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool done = file >= 0 && folder >= 0 && ::fsync(file) == 0 && ::fsync(folder) == 0;
  if (file >= 0) ::close(file);
  if (folder >= 0) ::close(folder);
  if (!done) return fail(ErrorKind::kIo, "cannot write " + path);
  return {};
}

void bind_blob(sqlite3_stmt* statement, int index, const std::string& bytes) {
  // A null pointer would be bound as NULL.
  const char* data = bytes.empty() ? "" : bytes.data();
  sqlite3_bind_blob64(statement, index, data, bytes.size(), SQLITE_TRANSIENT);
}

std::string column_blob(sqlite3_stmt* statement, int index) {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, index));
  const int size = sqlite3_column_bytes(statement, index);
  return data == nullptr ? std::string() : std::string(data, static_cast<size_t>(size));
}

}  // namespace

SqliteStore::SqliteStore(sqlite3* database, std::string path)
    : database_(database), path_(std::move(path)) {}

SqliteStore::~SqliteStore() {
  sqlite3_close(database_);
}

Error SqliteStore::failure(int code, const std::string& what) const {
  const int primary = code & 0xff;
  ErrorKind kind = ErrorKind::kIo;
  if (primary == SQLITE_FULL) kind = ErrorKind::kNoSpace;
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) kind = ErrorKind::kCorrupt;
  return {kind, fmt::format("{}: {}: {}", path_, what, sqlite3_errmsg(database_))};
}

Status SqliteStore::run(const char* sql) {
  const int code = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(failure(code, "the database refuses"));
  return {};
}

Result<SqliteStore::Statement> SqliteStore::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr);
  if (code != SQLITE_OK) return fail(failure(code, "cannot read"));
  return Statement(statement, &sqlite3_finalize);
}

// --- opening ------------------------------------------------------------------------------------

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& directory,
                                                       const std::string& cluster,
                                                       uint64_t new_cluster_id,
                                                       uint64_t new_member_id) {
  const std::string path = directory + "/" + kStoreFile;
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (!exists && std::filesystem::exists(directory + "/" + kStoreMarkFile, error)) {
    return fail(ErrorKind::kCorrupt,
                fmt::format("{} is missing, but {} says that there was a store: restore it from a "
                            "backup, or remove both to begin an empty one",
                            path, kStoreMarkFile));
  }
  sqlite3* database = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::unique_ptr<SqliteStore> store(new SqliteStore(database, path));
  if (code != SQLITE_OK) return fail(store->failure(code, "cannot be opened"));
  Status status = store->check_format();
  if (status) status = store->run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
  if (!status) return fail(status.error());
  const auto tables = store->prepare("SELECT count(*) FROM sqlite_master");
  if (!tables) return fail(tables.error());
  if (const int step = sqlite3_step(tables->get()); step != SQLITE_ROW) {
    return fail(store->failure(step, "cannot be read"));
  }
  store->created_ = sqlite3_column_int(tables->get(), 0) == 0;
  status = store->created_ ? store->create(cluster, new_cluster_id, new_member_id)
                           : store->adopt(cluster);
  if (status) status = make_durable_mark(directory);
  if (!status) return fail(status.error());
  return store;
}

Status SqliteStore::restore(const std::string& backup, const std::string& directory,
                            const std::string& cluster, uint64_t new_cluster_id,
                            uint64_t new_member_id) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string path = directory + "/" + kStoreFile + suffix;
    if (!fs::exists(path, error)) continue;
    return fail(ErrorKind::kAlreadyExists,
                fmt::format("{} is there: move it away first, with its -wal and -shm", path));
  }
  // All of it is done beside the place where a store is looked for.
  const std::string folder = directory + "/restoring";
  fs::remove_all(folder, error);
  if (!fs::create_directory(folder, error)) {
    return fail(ErrorKind::kIo, fmt::format("cannot make {}: {}", folder, error.message()));
  }
  Status status = restore_into(backup, folder, cluster, new_cluster_id, new_member_id);
  if (status) {
    fs::rename(folder + "/" + kStoreFile, directory + "/" + kStoreFile, error);
    if (error) status = fail(ErrorKind::kIo, "cannot move the store: " + error.message());
    if (status) status = make_durable_mark(directory);
    if (!status) fs::remove(directory + "/" + kStoreFile, error);
  }
  fs::remove_all(folder, error);
  return status;
}

Status SqliteStore::restore_into(const std::string& backup, const std::string& folder,
                                 const std::string& cluster, uint64_t new_cluster_id,
                                 uint64_t new_member_id) {
  const std::string path = folder + "/" + kStoreFile;
  std::error_code error;
  if (!std::filesystem::copy_file(backup, path, error)) {
    return fail(ErrorKind::kIo, fmt::format("cannot copy {}: {}", backup, error.message()));
  }
  {
    auto store = open(folder, cluster, new_cluster_id, new_member_id);
    if (!store) return fail(store.error());
    if ((*store)->created()) {
      return fail(ErrorKind::kCorrupt, fmt::format("{} is empty: no backup of a store", backup));
    }
    Status status = (*store)->set_meta("cluster_id", std::to_string(new_cluster_id));
    if (status) status = (*store)->set_meta("member_id", std::to_string(new_member_id));
    // One file that is whole without a second one beside it.
    if (status) status = (*store)->run("PRAGMA journal_mode=DELETE;");
    if (!status) return status;
  }
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool durable = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (!durable) return fail(ErrorKind::kIo, "cannot write " + path);
  return {};
}

Status SqliteStore::check_format() {
  const auto version = prepare("PRAGMA user_version");
  if (!version) return fail(version.error());
  if (const int step = sqlite3_step(version->get()); step != SQLITE_ROW) {
    return fail(failure(step, "cannot be read"));
  }
  const int found = sqlite3_column_int(version->get(), 0);
  if (found <= kFormat) return {};
  return fail(ErrorKind::kUnsupported,
              fmt::format("{} has format {}; this version of magpie knows {}. Nothing was changed. "
                          "Use the version that wrote it, or a newer one",
                          path_, found, kFormat));
}

Status SqliteStore::create(const std::string& cluster, uint64_t cluster_id, uint64_t member_id) {
  Status status = run("BEGIN IMMEDIATE");
  if (status) status = run(kTables);
  if (status) {
    status =
        run(fmt::format("PRAGMA user_version={}; PRAGMA application_id={}", kFormat, kApplicationId)
                .c_str());
  }
  const std::pair<const char*, std::string> entries[] = {{"cluster", cluster},
                                                         {"cluster_id", std::to_string(cluster_id)},
                                                         {"member_id", std::to_string(member_id)},
                                                         {"starts", "1"},
                                                         {"revision", "1"}};
  for (const auto& [name, value] : entries) {
    if (status) status = set_meta(name, value);
  }
  if (status) status = run("COMMIT");
  return status;
}

Status SqliteStore::adopt(const std::string& cluster) {
  const auto check = prepare("PRAGMA quick_check(1)");
  if (!check) return fail(check.error());
  if (const int step = sqlite3_step(check->get()); step != SQLITE_ROW) {
    return fail(failure(step, "cannot be checked"));
  }
  if (const std::string verdict = column_blob(check->get(), 0); verdict != "ok") {
    return fail(ErrorKind::kCorrupt, fmt::format("{} is damaged: {}. Nothing was changed. Restore "
                                                 "it from a backup",
                                                 path_, verdict));
  }
  const auto owner = meta("cluster");
  if (!owner) return fail(owner.error());
  if (*owner != cluster) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{} is the store of cluster '{}', not of '{}' (--cluster)", path_,
                            *owner, cluster));
  }
  const auto starts = meta_number("starts");
  if (!starts) return fail(starts.error());
  return set_meta("starts", std::to_string(*starts + 1));
}

// --- meta ---------------------------------------------------------------------------------------

Status SqliteStore::set_meta(const std::string& name, const std::string& value) {
  const auto statement = prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)");
  if (!statement) return fail(statement.error());
  sqlite3_bind_text(statement->get(), 1, name.c_str(), -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(statement->get(), 2, value.c_str(), -1, SQLITE_TRANSIENT);
  const int code = sqlite3_step(statement->get());
  if (code != SQLITE_DONE) return fail(failure(code, "cannot write"));
  return {};
}

Result<std::string> SqliteStore::meta(const std::string& name) {
  const auto statement = prepare("SELECT value FROM meta WHERE name = ?");
  if (!statement) return fail(statement.error());
  sqlite3_bind_text(statement->get(), 1, name.c_str(), -1, SQLITE_TRANSIENT);
  const int code = sqlite3_step(statement->get());
  if (code == SQLITE_DONE) {
    return fail(ErrorKind::kCorrupt, fmt::format("{}: '{}' is missing", path_, name));
  }
  if (code != SQLITE_ROW) return fail(failure(code, "cannot read"));
  return column_blob(statement->get(), 0);
}

Result<uint64_t> SqliteStore::meta_number(const std::string& name) {
  const auto text = meta(name);
  if (!text) return fail(text.error());
  uint64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end) {
    return fail(ErrorKind::kCorrupt, fmt::format("{}: '{}' is not a number", path_, name));
  }
  return value;
}

// --- the image ----------------------------------------------------------------------------------

Result<store::Image> SqliteStore::load() {
  const auto cluster_id = meta_number("cluster_id");
  const auto member_id = meta_number("member_id");
  const auto starts = meta_number("starts");
  const auto revision = meta_number("revision");
  for (const auto* number : {&cluster_id, &member_id, &starts, &revision}) {
    if (!*number) return fail(number->error());
  }
  store::Image image;
  image.cluster_id = *cluster_id;
  image.member_id = *member_id;
  image.raft_term = *starts;
  image.revision = static_cast<store::Revision>(*revision);
  if (const Status status = load_entries(image); !status) return fail(status.error());
  return image;
}

Status SqliteStore::load_entries(store::Image& image) {
  const auto rows =
      prepare("SELECT key, value, create_revision, mod_revision, version, lease FROM kvs");
  if (!rows) return fail(rows.error());
  int code = sqlite3_step(rows->get());
  for (; code == SQLITE_ROW; code = sqlite3_step(rows->get())) {
    store::KeyValue kv;
    kv.key = column_blob(rows->get(), 0);
    kv.value = column_blob(rows->get(), 1);
    kv.create_revision = sqlite3_column_int64(rows->get(), 2);
    kv.mod_revision = sqlite3_column_int64(rows->get(), 3);
    kv.version = sqlite3_column_int64(rows->get(), 4);
    kv.lease = sqlite3_column_int64(rows->get(), 5);
    if (kv.key.empty() || kv.version < 1 || kv.mod_revision > image.revision) {
      return fail(ErrorKind::kCorrupt, fmt::format("{}: a row of kvs contradicts itself", path_));
    }
    std::string key = kv.key;
    image.kvs.emplace(std::move(key), std::move(kv));
  }
  if (code != SQLITE_DONE) return fail(failure(code, "cannot read"));
  const auto leases = prepare("SELECT id, ttl FROM leases");
  if (!leases) return fail(leases.error());
  code = sqlite3_step(leases->get());
  for (; code == SQLITE_ROW; code = sqlite3_step(leases->get())) {
    image.leases.emplace(sqlite3_column_int64(leases->get(), 0),
                         sqlite3_column_int64(leases->get(), 1));
  }
  if (code != SQLITE_DONE) return fail(failure(code, "cannot read"));
  return {};
}

struct SqliteStore::Apply {
  SqliteStore& self;

  Status operator()(const store::KeyPut& change) const {
    const store::KeyValue& kv = change.kv;
    return with("INSERT OR REPLACE INTO kvs VALUES (?, ?, ?, ?, ?, ?)", [&](sqlite3_stmt* put) {
      bind_blob(put, 1, kv.key);
      bind_blob(put, 2, kv.value);
      sqlite3_bind_int64(put, 3, kv.create_revision);
      sqlite3_bind_int64(put, 4, kv.mod_revision);
      sqlite3_bind_int64(put, 5, kv.version);
      sqlite3_bind_int64(put, 6, kv.lease);
    });
  }
  Status operator()(const store::KeyDeleted& change) const {
    return with("DELETE FROM kvs WHERE key = ?",
                [&](sqlite3_stmt* erase) { bind_blob(erase, 1, change.key); });
  }
  Status operator()(const store::RevisionReached& change) const {
    return self.set_meta("revision", std::to_string(change.revision));
  }
  Status operator()(const store::LeaseAdded& change) const {
    return with("INSERT OR REPLACE INTO leases VALUES (?, ?)", [&](sqlite3_stmt* put) {
      sqlite3_bind_int64(put, 1, change.id);
      sqlite3_bind_int64(put, 2, change.ttl);
    });
  }
  Status operator()(const store::LeaseEnded& change) const {
    return with("DELETE FROM leases WHERE id = ?",
                [&](sqlite3_stmt* erase) { sqlite3_bind_int64(erase, 1, change.id); });
  }

  template <typename Bind>
  Status with(const char* sql, const Bind& bind) const {
    const auto statement = self.prepare(sql);
    if (!statement) return fail(statement.error());
    bind(statement->get());
    const int code = sqlite3_step(statement->get());
    if (code != SQLITE_DONE) return fail(self.failure(code, "cannot write"));
    return {};
  }
};

Status SqliteStore::commit(const store::ImageChanges& changes) {
  Status status = run("BEGIN IMMEDIATE");
  for (const store::ImageChange& change : changes) {
    if (status) status = std::visit(Apply{*this}, change);
  }
  if (status) status = run("COMMIT");
  if (status || sqlite3_get_autocommit(database_) != 0) return status;
  // Some errors end the transaction by themselves; this ends it after all others.
  if (const Status undone = run("ROLLBACK"); !undone) return undone;
  return status;
}

}  // namespace magpie::server
