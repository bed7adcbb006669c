// Errors are values.
//
// A function that can fail for a reason outside the program returns Result<T>; the caller must look
// at it. Broken promises inside the program are CHECKs (check.h), never Results. Kafka's numeric
// error codes exist only at the wire edge; here an error is a kind a caller can act on, and a
// sentence a person can act on.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace magpie {

enum class ErrorKind {
  kInvalidArgument,  // the input is wrong; trying again with the same input is pointless
  kNotFound,
  kAlreadyExists,
  kCorrupt,      // stored bytes fail their checksum or contradict themselves
  kIo,           // the device or the operating system refused
  kNoSpace,      // the device is full; may heal by itself
  kUnsupported,  // newer format, unknown version, feature not offered
  kLimit,        // a stated limit was reached
  kUnavailable,  // not now: loading, fenced, shutting down
};

// Short lower-case name, for logs and metrics: "not_found".
const char* to_string(ErrorKind kind);

struct Error {
  ErrorKind kind;
  std::string message;

  bool operator==(const Error&) const = default;
};

// Either a T or an Error. Result<void> is called Status.
template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

// `return fail(ErrorKind::kCorrupt, "segment …")` in a function that returns any Result.
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace magpie
