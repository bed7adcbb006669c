import check_size
import cpp_text
from sample import TreeTest


def body(lines: int) -> str:
    return "  work();\n" * lines


class Size(TreeTest):
    def test_the_sample_keeps_the_rules(self):
        self.assertEqual(check_size.check(self.tree), [])

    def test_a_long_file_is_found(self):
        self.write("src/base/a.cc", "int a;\n" * 600)
        self.assertEqual(check_size.check(self.tree), [])
        self.write("src/base/a.cc", "int a;\n" * 601)
        self.assert_complains(check_size.check(self.tree), "601 lines")

    def test_a_long_function_is_found(self):
        self.write("src/base/a.cc", "int f() {\n" + body(68) + "}\n")
        self.assertEqual(check_size.check(self.tree), [])
        self.write("src/base/a.cc", "int f() {\n" + body(69) + "}\n")
        self.assert_complains(check_size.check(self.tree), "src/base/a.cc:1", "function f", "71")

    def test_a_long_python_function_is_found(self):
        self.write("tools/a.py", "def f():\n" + "    pass\n" * 70)
        self.assert_complains(check_size.check(self.tree), "tools/a.py:1", "function f", "71")

    def test_a_wide_line_is_found(self):
        self.write("src/base/a.cc", "//" + "字" * 98 + "\n")
        self.assertEqual(check_size.check(self.tree), [])
        self.write("src/base/a.cc", "//" + "x" * 99 + "\n")
        self.assert_complains(check_size.check(self.tree), "src/base/a.cc:1", "101 columns")

    def test_a_large_median_is_found(self):
        for name in "abcdef":
            self.write(f"src/base/{name}.cc", "int a;\n" * 151)
        self.assert_complains(check_size.check(self.tree), "median")

    def test_a_ratchet_line_allows_but_only_shrinks(self):
        self.write("src/base/a.cc", "int f() {\n" + body(78) + "}\n")
        self.write(check_size.RATCHET, "function src/base/a.cc:f 80 a table of cases\n")
        self.assertEqual(check_size.check(self.tree), [])
        self.write(check_size.RATCHET, "function src/base/a.cc:f 79 a table of cases\n")
        self.assert_complains(check_size.check(self.tree), "80 lines, the limit is 79")
        self.write(check_size.RATCHET, "function src/base/a.cc:f 90 a table of cases\n")
        self.assert_complains(check_size.check(self.tree), "lower 90")
        self.write(check_size.RATCHET, "function src/base/b.cc:f 90 gone\n"
                                       "function src/base/a.cc:f 80 a table of cases\n")
        self.assert_complains(check_size.check(self.tree), "remove its line")

    def test_a_ratchet_line_needs_a_reason(self):
        self.write(check_size.RATCHET, "file src/base/a.cc 700\n")
        self.assert_complains(check_size.check(self.tree), "expected")

    def test_a_file_that_cannot_be_followed_is_found(self):
        self.write("src/base/a.cc", "int f() {\n")
        self.assert_complains(check_size.check(self.tree), "cannot be read")


class Functions(TreeTest):
    def names(self, text: str) -> list[str]:
        return [f"{function.name} {function.first_line}-{function.last_line}"
                for function in cpp_text.functions(text)]

    def test_namespaces_classes_and_initialisers_are_no_functions(self):
        self.assertEqual(self.names(
            "namespace a::b {\nstruct S : Base<int> {\n  int x{3};\n  int y = {4};\n};\n"
            "enum class E { kA, kB };\nconstexpr int kTable[] = {1, 2};\n"
            "extern \"C\" {\nint f();\n}\n}\n"), [])

    def test_members_and_constructors(self):
        self.assertEqual(self.names(
            "class A {\n public:\n  A() : x_{1}, y_(2) {\n  }\n"
            "  int get() const noexcept override { return x_; }\n"
            "  auto end() -> std::vector<int>\n  {\n  }\n};\n"),
            ["A 3-4", "get 5-5", "end 6-8"])

    def test_bodies_with_blocks_lambdas_and_strings(self):
        self.assertEqual(self.names(
            "void f() {\n  if (x) { y({1}); }\n  auto g = [](int a) { return a; };\n"
            "  call(\"}\", '{', 1'000, R\"(})\");  // }\n}\nint h(int a = 3) { return a; }\n"),
            ["f 1-5", "h 6-6"])

    def test_tests_are_named_by_their_arguments(self):
        self.assertEqual(self.names("TEST(Buffer, Slices) {\n}\n"), ["TEST(Buffer, Slices) 1-2"])

    def test_functions_that_return_structs_or_take_defaults(self):
        self.assertEqual(self.names(
            "struct Point origin() {\n}\nvoid f(std::vector<int> a = {}, int b = g()) {\n}\n"
            "bool A::operator==(const A& b) const {\n}\n"
            "template <typename T, class U>\nstd::optional<T> find(U u)\n{\n}\n"),
            ["origin 1-2", "f 3-4", "A::operator== 5-6", "find 7-10"])

    def test_preprocessor_lines_are_not_code(self):
        self.assertEqual(self.names("#define A(x) \\\n  do { \\\n\nint f() {\n}\n"), ["f 4-5"])
