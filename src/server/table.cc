#include "server/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace magpie::server {
namespace {

// Characters of UTF-8: bytes that do not go on with one.
size_t width_of(const std::string& cell) {
  return static_cast<size_t>(
      std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string render_row(const TableRow& row, const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    line += row[i];
    if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

std::string render_table(const TableRow& heading, const std::vector<TableRow>& rows) {
  std::vector<size_t> widths;
  for (const std::string& cell : heading) widths.push_back(width_of(cell));
  for (const TableRow& row : rows) {
    CHECK(row.size() == heading.size());
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text = render_row(heading, widths);
  for (const TableRow& row : rows) text += render_row(row, widths);
  return text;
}

std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    shown += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return shown;
}

}  // namespace magpie::server
