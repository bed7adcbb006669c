// Names from clients as label values of metrics.
#pragma once

#include <string>
#include <string_view>

namespace magpie::admin {

// `value` as it stands between the quotes of a label: backslash, quote and line feed are escaped.
// Names from clients may hold bytes that are no UTF-8, and one such label would make the whole page
// unreadable, so they are written as \\xNN.
std::string label_value(std::string_view value);

}  // namespace magpie::admin
