#include "kafka/ticket.h"

#include <gtest/gtest.h>

namespace magpie::kafka {
namespace {

TEST(Ticket, ComesBackAsItWas) {
  for (const uint64_t operation : {uint64_t{0}, uint64_t{1}, Ticket::kOperationMask}) {
    for (const uint32_t item : {0u, 1u, Ticket::kItemMask}) {
      for (const TicketKind kind : {TicketKind::kProduce, TicketKind::kGroupLoad}) {
        const Ticket back = Ticket::unpack(Ticket{kind, operation, item}.pack());
        EXPECT_EQ(back.kind, kind);
        EXPECT_EQ(back.operation, operation);
        EXPECT_EQ(back.item, item);
      }
    }
  }
}

}  // namespace
}  // namespace magpie::kafka
