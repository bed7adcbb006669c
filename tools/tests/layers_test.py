import unittest

import check_layers
from sample import TreeTest


class Layers(TreeTest):
    def test_the_sample_keeps_the_rules(self):
        self.assertEqual(check_layers.check(self.tree), [])

    def test_an_upward_include_is_found(self):
        self.write("src/base/time.h", '#include "record/batch.h"\n')
        self.assert_complains(check_layers.check(self.tree), "src/base/time.h:1", "strictly lower")

    def test_a_sideways_include_is_found(self):
        self.write("src/port/event.h", '\n#include "record/batch.h"\n')
        self.assert_complains(check_layers.check(self.tree), "src/port/event.h:2", "port (L1)")

    def test_an_include_in_a_comment_is_none(self):
        self.write("src/base/time.h", '// #include "record/batch.h"\n')
        self.assertEqual(check_layers.check(self.tree), [])

    def test_an_include_without_a_folder_is_found(self):
        self.write("src/base/a.h", '#include "time.h"\n')
        self.assert_complains(check_layers.check(self.tree), '"time.h" does not begin')

    def test_an_include_of_nothing_is_found(self):
        self.write("src/record/a.h", '#include "base/clock.h"\n')
        self.assert_complains(check_layers.check(self.tree), "does not exist")

    def test_a_generated_header_counts_as_wire(self):
        self.write("src/LAYERS", "L0 pure base\nL1 pure port record\nL2 pure wire\nL3 impure os\n")
        self.write("src/os/a.h", '#include "generated/wire/fetch.h"\n')
        self.assertEqual(check_layers.check(self.tree), [])
        self.write("src/port/a.h", '#include "generated/wire/fetch.h"\n')
        self.assert_complains(check_layers.check(self.tree), "includes wire (L2)")

    def test_an_include_of_a_missing_generated_header_is_found(self):
        self.write("src/LAYERS", "L0 pure base\nL1 pure port record\nL2 pure wire\nL3 impure os\n")
        self.write("src/os/a.h", '#include "wire/fetch.h"\n')
        self.assertEqual(check_layers.check(self.tree), [])  # nothing is built yet
        self.write("build/generated/wire/produce.h", "")
        self.assert_complains(check_layers.check(self.tree), "does not exist")
        self.write("build/generated/wire/fetch.h", "")
        self.assertEqual(check_layers.check(self.tree), [])

    def test_an_unlisted_folder_is_found(self):
        self.write("src/extra/a.h", "\n")
        self.assert_complains(check_layers.check(self.tree), "src/extra", "not listed")

    def test_a_nested_folder_is_found(self):
        self.write("src/base/testing/a.h", "\n")
        self.write("src/base/testdata/a", "\n")
        self.assertEqual(check_layers.check(self.tree), [])
        self.write("src/base/detail/a.h", "\n")
        self.assert_complains(check_layers.check(self.tree), "src/base/detail", "not nested")

    def test_a_folder_listed_twice_is_found(self):
        self.write("src/LAYERS", "L0 pure base\nL1 pure port record base\nL2 impure os\n")
        self.assertTrue(any("twice" in problem for problem in check_layers.check(self.tree)))


if __name__ == "__main__":
    unittest.main()
