import check_docs
from sample import FILES, TreeTest


class Docs(TreeTest):
    def test_the_sample_keeps_the_rules(self):
        self.assertEqual(check_docs.check(self.tree), [])

    def test_a_folder_missing_from_the_map_is_found(self):
        self.write("src/LAYERS", FILES["src/LAYERS"] + "L3 impure server\n")
        self.assert_complains(check_docs.check(self.tree), "src/server (L3)", "not in the table")

    def test_a_folder_that_is_gone_is_found(self):
        self.write("ARCHITECTURE.md", FILES["ARCHITECTURE.md"] + "| L2 | `web` | x |\n")
        self.assert_complains(check_docs.check(self.tree), "`web` in L2")

    def test_an_unknown_make_target_is_found(self):
        self.write("a.md", "Run `make lunch` and make do.\n")
        self.assert_complains(check_docs.check(self.tree), "a.md", "make lunch")

    def test_a_translation_that_fell_behind_is_found(self):
        self.write("README.md", FILES["README.md"] + "\n## C\n")
        self.assert_complains(check_docs.check(self.tree), "headings")
        self.write("README.md", FILES["README.md"] + "\n```sh\nmake help\n```\n")
        self.assert_complains(check_docs.check(self.tree), "lacks the command: make help")
        self.write("README.md", FILES["README.md"])
        self.write("README.zh-CN.md", FILES["README.zh-CN.md"] + "\n```sh\nmake help\n```\n")
        self.assert_complains(check_docs.check(self.tree), "README.md lacks: make help")

    def test_a_dead_link_is_found(self):
        self.write("b.md", "[map](./ARCHITECTURE.md#top) [web](https://example.org/x)\n")
        self.assertEqual(check_docs.check(self.tree), [])
        self.write("b.md", "[map](docs/ARCHITECTURE.md)\n")
        self.assert_complains(check_docs.check(self.tree), "b.md", "leads nowhere")

    def test_a_page_that_nothing_links_to_is_found(self):
        self.write("docs/README.md", "[a](formats/a.md)\n")
        self.write("docs/formats/a.md", "bytes\n")
        self.write("README.md", FILES["README.md"] + "[docs](docs/README.md#top)\n")
        self.assertEqual(check_docs.check(self.tree), [])
        self.write("docs/README.md", "`formats/a.md`\n")
        self.assert_complains(check_docs.check(self.tree), "docs/formats/a.md", "no document links")

    def test_log_codes_and_their_page_agree(self):
        self.write("src/record/a.cc", 'out.add(LogLine{Severity::kInfo, "log.torn", t});\n'
                                      '// LogLine{kInfo, "only.comment", t}\n')
        self.assertEqual(check_docs.check(self.tree), [])  # no page yet
        self.write("README.md", FILES["README.md"] + f"[codes]({check_docs.LOG_CODES})\n")
        self.write(check_docs.LOG_CODES, "| `log.torn` | … |\n")
        self.assertEqual(check_docs.check(self.tree), [])
        self.write(check_docs.LOG_CODES, "| code |\n")
        self.assert_complains(check_docs.check(self.tree), "lacks `log.torn`")
        self.write(check_docs.LOG_CODES, "| `log.torn` | … |\n| `log.gone` | … |\n")
        self.assert_complains(check_docs.check(self.tree), "`log.gone` is logged nowhere")

    def test_pitfalls_are_complete_and_held_by_tests_that_exist(self):
        self.write("README.md", FILES["README.md"] + f"[pitfalls]({check_docs.PITFALLS})\n")
        self.write("src/record/batch_test.cc",
                   "TEST(Batch, Holds) {}\n// TEST(Batch, Gone) {}\n"
                   "RC_GTEST_PROP(\n    Walk, Holds, ()) {}\n")
        rows = [f"| {number} | *Later* | |\n" for number in range(1, check_docs.PITFALLS_COUNT + 1)]

        def page_with(number, row):
            changed = list(rows)
            changed[number - 1] = row
            self.write(check_docs.PITFALLS, "".join(changed))
            return check_docs.check(self.tree)

        self.assertEqual(page_with(3, "| 3 | rule | `Batch.Holds`, `Walk.Holds` |\n"), [])
        self.assert_complains(page_with(3, "| 3 | rule | `Batch.Gone` |\n"), "3 names Batch.Gone")
        self.assert_complains(page_with(3, "| 3 | rule | |\n"), "no test holds number 3")
        self.assert_complains(page_with(3, "| 4 | *Later* | |\n"), "has the numbers")

    def test_limits_have_their_defaults_and_tests_that_exist(self):
        self.write("README.md", FILES["README.md"] + f"[limits]({check_docs.LIMITS}) "
                   f"[all]({check_docs.CONFIGURATION})\n")
        self.write(check_docs.CONFIGURATION, "| `limits.groups` | `7` | … |\n")
        self.write("src/record/batch_test.cc", "TEST_F(Limits, Groups) {}\n")
        head = "| limit | setting | default | beyond | shown by |\n|---|---|---|---|---|\n"

        def page_with(row):
            self.write(check_docs.LIMITS, head + row)
            return check_docs.check(self.tree)

        shown = "`Limits.Groups`"
        self.assertEqual(page_with(f"| groups | `limits.groups` | `7` | … | {shown} |\n"), [])
        self.assertEqual(page_with(f"| a turn | | 1MiB | … | {shown} |\n"), [])
        self.assert_complains(page_with(f"| groups | `limits.groups` | `8` | … | {shown} |\n"),
                              "default `8`", "says 7")
        self.assert_complains(page_with("| a turn | | 1MiB | … | `Limits.Gone` |\n"), "Limits.Gone")
        self.assert_complains(page_with("| a turn | | 1MiB | … | |\n"), "no test shows", "a turn")

    def test_names_of_a_machine_are_found(self):
        for text in ("see /" "work/notes", "in /" "root/x", "made by a sub" "agent",
                     "from /" "home/me", "in /" "tmp/scratch", "https://registry" ".npmjs.org/x"):
            self.write("src/base/a.cc", f"// {text}\n")
            self.assert_complains(check_docs.check(self.tree), "src/base/a.cc:1", "does not belong")
        self.write("a.md", "For a first look: `--data /tmp/magpie`.\n")
        self.write("src/base/a.cc", "// a network/root/tree, a session of a client\n")
        self.assertEqual(check_docs.check(self.tree), [])
