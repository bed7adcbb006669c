import shutil
import subprocess
import unittest

import check_purity
import house
from sample import TreeTest


class Calls(unittest.TestCase):
    def problems(self, symbol: str, folder: str = "port", member: str = "a.cc.o") -> list[str]:
        return check_purity.call_problems(folder, f"\n{member}:\n                 U {symbol}\n")

    def test_what_touches_the_world_is_found(self):
        for symbol in ("clock_gettime", "rand", "getenv", "environ", "open64", "socket", "usleep",
                       "pthread_mutex_lock", "printf", "stderr", "syscall", "time",
                       "std::chrono::_V2::steady_clock::now()", "std::random_device::_M_getval()",
                       "std::thread::_M_start_thread()", "std::cout", "std::ios_base::Init::Init()",
                       "std::filesystem::status(std::filesystem::__cxx11::path const&)",
                       "std::condition_variable::wait()", "boost::asio::io_context::run()",
                       "spdlog::default_logger()", "ZSTD_compress", "__cxa_atexit"):
            self.assertEqual(self.problems(symbol), [f"port/a.cc.o: uses {symbol}"])

    def test_what_only_computes_is_not(self):
        for symbol in ("memcpy", "malloc", "__cxa_begin_catch", "operator new(unsigned long)",
                       "magpie::Random::next()", "fmt::v9::vformat[abi:cxx11](int)",
                       "std::__throw_length_error(char const*)",
                       "vtable for __cxxabiv1::__class_type_info"):
            self.assertEqual(self.problems(symbol), [])

    def test_exceptions_hold_where_they_are_stated_and_nowhere_else(self):
        self.assertEqual(self.problems("stderr", "base", "check.cc.o"), [])
        self.assertEqual(len(self.problems("stderr", "base", "buffer.cc.o")), 1)
        self.assertEqual(self.problems("ZSTD_decompress", "record"), [])


class Data(TreeTest):
    SOURCE = ("#include <string>\n"
              "int counter = 0;\n"
              "const char* const kNames[] = {\"a\", \"b\"};\n"
              "thread_local int depth = 1;\n"
              "const int kLimit = 3;\n"
              "int next() { static int last = 5; return ++last + counter + kLimit; }\n")

    @unittest.skipIf(shutil.which("g++") is None, "needs g++")
    def test_data_that_can_change_is_found_in_a_real_library(self):
        self.write("src/port/CMakeLists.txt", "\n")
        self.write("src/port/a.cc", self.SOURCE)
        folder = self.tree.build / "src" / "port"
        folder.mkdir(parents=True)
        subprocess.run(["g++", "-c", str(self.tree.source / "src/port/a.cc"), "-o", "a.cc.o"],
                       cwd=folder, check=True)
        subprocess.run(["ar", "rcs", "libmagpie_port.a", "a.cc.o"], cwd=folder, check=True)
        problems = check_purity.check(self.tree)
        self.assertEqual(len(problems), 3, problems)
        for name in ("counter", "depth", "next()::last"):
            self.assertTrue(any(f": {name};" in problem for problem in problems), name)

    def test_a_library_that_is_not_built_is_found(self):
        self.write("src/port/CMakeLists.txt", "\n")
        self.write("src/port/a.cc", "\n")
        self.assert_complains(check_purity.check(self.tree), "libmagpie_port.a is not built")

    def test_a_sanitizer_build_is_skipped_but_its_sources_are_not(self):
        self.write("build/CMakeCache.txt", "MAGPIE_SANITIZE:STRING=address\n")
        with self.assertRaises(house.Skip):
            check_purity.check(self.tree)
        self.write("src/port/a.h", "float x;\n")
        self.assertEqual(len(check_purity.check(self.tree)), 1)


class Sources(TreeTest):
    def problems(self, text: str, name: str = "src/port/a.h") -> list[str]:
        return check_purity.source_problems(name, text)

    def test_what_symbols_do_not_show_is_found(self):
        for line in ("std::unordered_map<int, int> x;", "double x;", "float x;",
                     "std::uniform_int_distribution<int> x;", "std::set<Node*> x;",
                     "std::map<const Node*, int> x;", "std::hash<Node*> x;", "throw 1;",
                     "auto x = reinterpret_cast<uintptr_t>(p);", "auto x = __TIME__;",
                     "#include <thread>", "#include <sys/socket.h>", "#include <boost/asio.hpp>"):
            self.assert_complains(self.problems("\n" + line + "\n"), "src/port/a.h:2")

    def test_comments_and_strings_are_not_code(self):
        self.assertEqual(self.problems('// a double throw\nauto x = "float";\n'), [])

    def test_a_marker_allows_only_its_own_rule(self):
        lookup = "// lookup only\nstd::unordered_map<int, int> x;\n"
        self.assertEqual(self.problems(lookup), [])
        self.assertEqual(self.problems("double x;  // measurement only\n"), [])
        self.assert_complains(self.problems("double x;  // lookup only\n"), "floating point")

    def test_exceptions_hold_where_they_are_stated_and_nowhere_else(self):
        self.assertEqual(self.problems("#include <atomic>\n", "src/base/buffer.h"), [])
        self.assert_complains(self.problems("#include <atomic>\n"), "<atomic>")
        self.assertEqual(self.problems("#include <fstream>\n", "src/port/a_test.cc"), [])
        self.assert_complains(self.problems("#include <fstream>\n"), "<fstream>")
        self.assert_complains(self.problems("#include <chrono>\n", "src/port/a_test.cc"),
                              "<chrono>")
        self.assertEqual(self.problems("double x;\n", "src/base/byte_reader.h"), [])
        self.assertEqual(self.problems("double x;\n", "src/wire/fetch.h"), [])

    def test_impure_folders_are_left_alone(self):
        self.write("src/os/a.cc", "#include <thread>\ndouble x;\n")
        self.assertEqual(check_purity.check(self.tree), [])
        self.write("src/base/a.h", "#include <thread>\n")
        self.assert_complains(check_purity.check(self.tree), "src/base/a.h:1")
