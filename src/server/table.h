// Tables on the terminal: columns as wide as their widest cell.
#pragma once

#include <string>
#include <vector>

namespace magpie::server {

using TableRow = std::vector<std::string>;

// The rows with a heading, two spaces between columns, no trailing spaces. Every row must have as
// many cells as the heading.
std::string render_table(const TableRow& heading, const std::vector<TableRow>& rows);

}  // namespace magpie::server
