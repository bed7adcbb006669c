// What a node asks of the world.
//
// Machines append effects to one reused list during a step; the driver (os or sim) carries them out
// after the step, in order, and reports results as events (event.h). An effect never calls back.
// Every disk effect names its completion; the reply of a produce request waits for that completion,
// which is how "acknowledged before durable" is made impossible to write.
//
// Order: effects on one file are carried out in the order given; an effect on a folder comes after
// all earlier effects on files inside it, and before all later ones. A write or truncate is
// finished when the operating system took it, or, with `sync`, when fdatasync covering it has
// returned. The driver may cover many writes of a file by one fdatasync (group commit). A synced
// file is found under its name after a power loss, a new one too. When a write fails, those already
// given for the same file fail with it, so that no hole appears.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/time.h"
#include "port/file.h"

namespace magpie::port {

using ConnectionId = StrongId<struct ConnectionIdTag, uint64_t>;
using HttpExchangeId = StrongId<struct HttpExchangeIdTag, uint64_t>;
using HttpCallId = StrongId<struct HttpCallIdTag, uint64_t>;

// --- network -----------------------------------------------------------------------------------

// Connections that peers opened are numbered by the driver, without this bit. Those that the
// machine opens it numbers itself, with the bit set, and never uses a number twice.
inline constexpr uint64_t kOwnConnectionBit = uint64_t{1} << 63;

// Open a connection to another node. ConnectionOpened follows or, with the reason,
// ConnectionClosed.
struct Connect {
  ConnectionId connection;  // with kOwnConnectionBit
  std::string host;
  int32_t port = 0;
  // What the peer's certificate must be issued for. Ignored where links are not encrypted.
  std::string peer_name;
};

// Queue these bytes on the connection. Silently dropped if the connection is gone; the
// ConnectionClosed event tells.
struct Send {
  ConnectionId connection;
  BufferChain bytes;
};

// Close after what is queued was sent (`flush`), or at once.
struct CloseConnection {
  ConnectionId connection;
  bool flush = false;
};

// Stop or go on delivering frames from this connection (back-pressure towards the client).
struct SetReading {
  ConnectionId connection;
  bool enabled = true;
};

// Take no new connections from now on: whoever tries is refused, and who waits for it, too. Those
// that are open stay.
struct StopListening {};

// Answer to an HTTP exchange of the admin port. Exactly one per HttpRequestReceived.
struct HttpRespond {
  HttpExchangeId exchange;
  int status = 200;
  std::string content_type;
  std::string body;
};

// The first part of an answer that has no end yet (a watch). HttpStreamPart adds to it until
// `last`. If the client goes away before that, HttpExchangeClosed tells.
struct HttpStream {
  HttpExchangeId exchange;
  int status = 200;
  std::string content_type;
};
struct HttpStreamPart {
  HttpExchangeId exchange;
  std::string bytes;
  bool last = false;
};

// A request to another server (the control store). HttpCallDone follows, once; with `streaming`,
// HttpCallParts bring what arrives before that.
struct HttpCall {
  HttpCallId call;            // chosen by the machine, never used twice
  std::string url;            // "https://host:port/path"
  std::string authorization;  // header of that name; empty: none
  std::string body;           // JSON, sent with POST
  bool streaming = false;
  // For the whole call or, with `streaming`, until the header of the answer.
  Duration timeout = Duration::seconds(5);
};

// Give up on a call: nothing more is heard of it.
struct CancelHttpCall {
  HttpCallId call;
};

// --- disk --------------------------------------------------------------------------------------

// Write `bytes` at `position`, creating the file (and its folder) if needed.
struct WriteFile {
  FileRef file;
  uint64_t position = 0;
  BufferChain bytes;
  bool sync = false;
  Completion then;
};

// fdatasync: what was written before is durable when it completes; plain writes do not wait for it.
struct SyncFile {
  FileRef file;
  Completion then;
};

// Read up to `length` bytes at `position`; fewer come back only at the end of the file.
struct ReadFile {
  FileRef file;
  uint64_t position = 0;
  uint64_t length = 0;
  Completion then;
};

// Cut the file to `size` bytes and make that durable.
struct TruncateFile {
  FileRef file;
  uint64_t size = 0;
  Completion then;
};

// Replace the whole content, atomically and durably: after a crash the file has the old content or
// the new one. (Write beside it, sync, rename, sync the folder.)
struct ReplaceFile {
  FileRef file;
  BufferChain bytes;
  Completion then;
};

// Rename over any existing file of the new name, durably. `file` is unusable afterwards; refer to
// `to` from then on.
struct RenameFile {
  FileRef file;
  FileRef to;
  Completion then;
};

// Remove the file. Not an error if it does not exist.
struct RemoveFile {
  FileRef file;
  Completion then;
};

// Names and sizes of the files in a folder, and names of its sub-folders, sorted by name. A folder
// that does not exist is empty.
struct ListFolder {
  std::string path;
  Completion then;
};

// Remove a folder with everything in it, durably.
struct RemoveFolder {
  std::string path;
  Completion then;
};

// Rename a folder, durably. No file inside may be in use.
struct RenameFolder {
  std::string path;
  std::string to;
  Completion then;
};

// --- log ---------------------------------------------------------------------------------------

enum class Severity { kDebug, kInfo, kWarning, kError };

// One line for the operator. `code` is stable and documented (docs/operations/log-codes.md); `text`
// says what happened, to what, and what to do.
struct LogLine {
  Severity severity = Severity::kInfo;
  std::string code;
  std::string text;
};

using Effect = std::variant<Send, CloseConnection, SetReading, HttpRespond, WriteFile, SyncFile,
                            ReadFile, TruncateFile, ReplaceFile, RenameFile, RemoveFile, ListFolder,
                            RemoveFolder, RenameFolder, LogLine, Connect, HttpStream,
                            HttpStreamPart, HttpCall, CancelHttpCall, StopListening>;

// The effects that end with a DiskDone.
template <typename T>
inline constexpr bool kIsDiskEffect = requires(T effect) {
  effect.then;
};

// The list a step appends to. Reused between steps, so that its memory is too.
class Effects {
 public:
  template <typename T>
  void add(T effect) {
    list_.emplace_back(std::move(effect));
  }
  bool empty() const { return list_.empty(); }
  size_t size() const { return list_.size(); }
  std::vector<Effect>& list() { return list_; }
  const std::vector<Effect>& list() const { return list_; }
  void clear() { list_.clear(); }

 private:
  std::vector<Effect> list_;
};

}  // namespace magpie::port
