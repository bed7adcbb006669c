#include "server/table.h"

#include <algorithm>

#include "base/check.h"

namespace magpie::server {
namespace {

std::string render_row(const TableRow& row, const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    line += row[i];
    if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

std::string render_table(const TableRow& heading, const std::vector<TableRow>& rows) {
  std::vector<size_t> widths;
  for (const std::string& cell : heading) widths.push_back(cell.size());
  for (const TableRow& row : rows) {
    CHECK(row.size() == heading.size());
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text = render_row(heading, widths);
  for (const TableRow& row : rows) text += render_row(row, widths);
  return text;
}

}  // namespace magpie::server
