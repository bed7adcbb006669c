import shutil
import unittest
from unittest import mock

import check_format
import house
from sample import TreeTest


class Format(TreeTest):
    @unittest.skipIf(shutil.which(check_format.PROGRAM) is None, "needs clang-format-14")
    def test_an_unformatted_file_is_found(self):
        self.write(".clang-format", "BasedOnStyle: Google\n")
        self.assertEqual(check_format.check(self.tree), [])
        self.write("src/base/a.cc", "int   a;\n")
        self.assert_complains(check_format.check(self.tree), "src/base/a.cc:1", "make fmt")

    def test_without_the_program_it_is_skipped_with_a_reason(self):
        with mock.patch.object(check_format, "PROGRAM", "no-such-program"):
            with self.assertRaisesRegex(house.Skip, "not installed"):
                check_format.check(self.tree)
