// Cuts a stream of bytes into lines, however they arrive.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace magpie::store {

class LineSplitter {
 public:
  // A line longer than this makes the stream unusable.
  explicit LineSplitter(size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  // False if a line is too long; nothing more comes out then.
  bool add(std::string_view bytes) {
    if (too_long_) return false;
    // What was handed out is dropped only now, so that taking many lines costs no copies.
    pending_.erase(0, taken_);
    searched_ -= taken_;
    taken_ = 0;
    pending_.append(bytes);
    const size_t end = bytes.rfind('\n');
    tail_ = end == std::string_view::npos ? tail_ + bytes.size() : bytes.size() - end - 1;
    too_long_ = tail_ > line_bytes_max_;
    return !too_long_;
  }

  // The next whole line, without its end.
  std::optional<std::string> next() {
    if (too_long_) return std::nullopt;
    const size_t end = pending_.find('\n', searched_);
    if (end == std::string::npos) {
      searched_ = pending_.size();
      return std::nullopt;
    }
    std::string line = pending_.substr(taken_, end - taken_);
    taken_ = searched_ = end + 1;
    return line;
  }

  // What came after the last line end.
  std::string_view rest() const { return std::string_view(pending_).substr(taken_); }

 private:
  size_t line_bytes_max_;
  std::string pending_;
  size_t taken_ = 0;
  size_t searched_ = 0;  // no line ends between what was taken and here: a long one has many parts
  size_t tail_ = 0;      // bytes after the last line end
  bool too_long_ = false;
};

}  // namespace magpie::store
