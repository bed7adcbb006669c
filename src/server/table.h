// Tables on the terminal: columns as wide as their widest cell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace magpie::server {

using TableRow = std::vector<std::string>;

// The rows with a heading, two spaces between columns, no trailing spaces. Every row must have as
// many cells as the heading. Cells are UTF-8; every character counts as one column.
std::string render_table(const TableRow& heading, const std::vector<TableRow>& rows);

// `text` with control characters written as \xNN: names come from clients and must not move the
// cursor of whoever looks at them.
std::string printable(std::string_view text);

}  // namespace magpie::server
