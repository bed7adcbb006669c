// Base64 (RFC 4648), as JSON carries bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace magpie::store {

// The standard alphabet, padded.
std::string encode_base64(std::string_view bytes);

// Also takes the URL-safe alphabet and missing padding, as the JSON mapping of protocol buffers
// allows. Nothing if the text is malformed.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace magpie::store
