#include "base/buffer.h"

#include <gtest/gtest.h>

#include <optional>

namespace magpie {
namespace {

TEST(Buffer, SliceSharesTheBlockAndOutlivesTheWhole) {
  std::optional<Buffer> whole = Buffer::copy_of("magpie bridge");
  const Buffer part = whole->slice(7, 6);
  EXPECT_EQ(part.data(), whole->data() + 7);
  whole.reset();
  EXPECT_EQ(part.text(), "bridge");
  EXPECT_EQ(part.block_size(), 13u);
}

TEST(Buffer, CopyAndAssignKeepTheBytes) {
  Buffer first = Buffer::copy_of("one");
  Buffer second = first;
  first = Buffer::copy_of("two");
  EXPECT_EQ(second.text(), "one");
  EXPECT_EQ(first.text(), "two");
  second = std::move(first);
  EXPECT_EQ(second.text(), "two");
}

TEST(Buffer, ChainFlattensInOrder) {
  const BufferChain chain = {Buffer::copy_of("ab"), Buffer(), Buffer::copy_of("c")};
  EXPECT_EQ(size_of(chain), 3u);
  EXPECT_EQ(flatten(chain).text(), "abc");
  EXPECT_EQ(flatten({}).size(), 0u);
}

TEST(BufferDeathTest, SliceOutsideTheBufferIsABrokenPromise) {
  const Buffer whole = Buffer::copy_of("abc");
  EXPECT_DEATH((void)whole.slice(2, 2), "CHECK failed");
}

}  // namespace
}  // namespace magpie
