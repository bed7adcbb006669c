// The simulated disk: carries out disk effects in virtual time and fails as real ones do.
//
// Each effect takes a while; effects on different files overtake each other, those on one file do
// not (except that reads and writes without `sync` overtake a SyncFile), and an effect on a folder
// waits for earlier and holds back later ones inside it. What is written is safe only after a sync;
// a power loss keeps any selection of the sectors in between. Replacing, renaming, removing and
// truncating are atomic and durable once reported. After a failed write the writes queued behind it
// for the same file fail too, as in `os`.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "port/effect.h"
#include "port/event.h"
#include "sim/knobs.h"
#include "sim/scene.h"
#include "sim/sim_file.h"

namespace magpie::sim {

enum class Crash {
  kProcess,  // the process died; the operating system lives and has everything
  kPower,    // everything that was not synced is in doubt
};

// Sees what happens to files, as it happens.
class DiskObserver {
 public:
  virtual ~DiskObserver() = default;
  virtual void written(const std::string& path, std::string_view bytes) = 0;
  virtual void synced(const std::string& path, const SimFile& file) = 0;
  // Everything from `size` on goes.
  virtual void cutting(const std::string& path, uint64_t size) = 0;
  // What was called `path` is called something else, or is replaced as a whole.
  virtual void moved(const std::string& path) = 0;
  // Something that was to change the file did not work.
  virtual void failed(const std::string& path) = 0;
  // What was under way has happened or not, and nobody works on the files any more.
  virtual void crashed() = 0;
};

class Disk {
 public:
  using Deliver = std::function<void(port::DiskDone)>;

  Disk(Scene& scene, const Knobs& knobs)
      : scene_(scene), knobs_(knobs), random_(scene.random.fork()) {}

  // Who hears of finished effects.
  void set_deliver(Deliver deliver) { deliver_ = std::move(deliver); }

  void set_observer(DiskObserver* observer) { observer_ = observer; }

  // Takes over one disk effect. REQUIRES: it is one.
  void submit(port::Effect effect);

  // Nothing is under way afterwards.
  void crash(Crash crash);

  // --- faults ---
  void set_slow(bool slow) { slow_ = slow; }
  void set_write_error(std::optional<Error> error) { write_error_ = std::move(error); }
  void set_sync_error(std::optional<Error> error) { sync_error_ = std::move(error); }
  void set_read_error(std::optional<Error> error) { read_error_ = std::move(error); }
  // Errors meet only effects on paths that contain this; at first, all.
  void set_failing_part(std::string part) { failing_part_ = std::move(part); }

  std::map<std::string, SimFile>& files() { return files_; }
  uint64_t syncs() const { return syncs_; }

 private:
  struct Pending {
    port::Effect effect;
    std::vector<std::string> paths;  // whose order it keeps; a folder ends with '/'
    Instant when;
    bool fails = false;  // queued behind a write that failed
    // Of a sync: what it covers, once a later write has overtaken it.
    std::optional<SimFile::SyncBegun> begun;
  };
  using PendingList = std::list<Pending>;

  Duration draw_delay(const port::Effect& effect);
  void finish(uint64_t boot, PendingList::iterator place);
  void fail_writes_from(PendingList::iterator place, const std::string& path);
  void begin_syncs_before(PendingList::iterator write);
  void happen_unsynced(const port::Effect& effect);
  port::DiskDone carry_out(const port::Effect& effect);
  port::DiskDone finish_sync(const port::SyncFile& effect, const SimFile::SyncBegun& begun);

  port::DiskDone apply(const port::WriteFile& effect);
  port::DiskDone apply(const port::SyncFile& effect);
  port::DiskDone apply(const port::ReadFile& effect);
  port::DiskDone apply(const port::TruncateFile& effect);
  port::DiskDone apply(const port::ReplaceFile& effect);
  port::DiskDone apply(const port::RenameFile& effect);
  port::DiskDone apply(const port::RemoveFile& effect);
  port::DiskDone apply(const port::ListFolder& effect);
  port::DiskDone apply(const port::RemoveFolder& effect);
  port::DiskDone apply(const port::RenameFolder& effect);

  // `begun`: what it covers, if that is not everything.
  Status sync(const std::string& path, SimFile& file, const SimFile::SyncBegun* begun = nullptr);
  // Whether an effect on `path` meets `error` now.
  bool meets(const std::optional<Error>& error, const std::string& path) const {
    return error && path.find(failing_part_) != std::string::npos;
  }

  Scene& scene_;
  const Knobs& knobs_;
  Random random_;
  Deliver deliver_;
  DiskObserver* observer_ = nullptr;
  std::map<std::string, SimFile> files_;
  PendingList pending_;
  uint64_t boot_ = 0;  // completions of an earlier life of the node do not count
  bool slow_ = false;
  std::optional<Error> write_error_;
  std::optional<Error> sync_error_;
  std::optional<Error> read_error_;
  std::string failing_part_;
  uint64_t syncs_ = 0;
};

}  // namespace magpie::sim
