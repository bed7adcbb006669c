# How a folder of src/ becomes a library, its tests and its checks.
#
#   magpie_library(log SOURCES a.cc b.cc HEADERS a.h b.h DEPENDS base port EXTERNAL fmt::fmt)
#   magpie_test(log SOURCES a_test.cc b_test.cc EXTERNAL rapidcheck)
#   magpie_fuzzer(log segment_fuzz.cc)
#
# A library is linked whole-archive with only what it declares into an empty program (the link
# test), and every header must compile on its own.

find_program(MAGPIE_CCACHE ccache)
if(MAGPIE_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${MAGPIE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MAGPIE_CCACHE})
endif()
find_program(MAGPIE_MOLD mold)
if(MAGPIE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor
                    -Wno-missing-field-initializers -fno-omit-frame-pointer)
# g++ 12 sees uninitialised reads through malloc and variant that are not there.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-maybe-uninitialized)
endif()
# The source tree's own name in messages, so that builds do not depend on where they are made.
add_compile_options(-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/src/=)
if(MAGPIE_PLANTED_BUGS)
  add_compile_definitions(MAGPIE_PLANTED_BUGS)
endif()
if(MAGPIE_FUZZERS)
  # The libraries must report coverage too, or a fuzzer searches blindly.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(MAGPIE_SANITIZE)
  add_compile_options(-fsanitize=${MAGPIE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MAGPIE_SANITIZE})
endif()

# Reads src/LAYERS into MAGPIE_FOLDERS, lowest layer first.
function(magpie_read_layers path)
  file(STRINGS ${path} lines)
  set(folders)
  foreach(line IN LISTS lines)
    if(line MATCHES "^L[0-9]+ (pure|impure) (.*)$")
      string(REPLACE " " ";" names "${CMAKE_MATCH_2}")
      list(APPEND folders ${names})
    endif()
  endforeach()
  set(MAGPIE_FOLDERS ${folders} PARENT_SCOPE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
endfunction()

function(magpie_library name)
  cmake_parse_arguments(LIB "" "" "SOURCES;HEADERS;DEPENDS;EXTERNAL" ${ARGN})
  set(target magpie_${name})
  add_library(${target} STATIC ${LIB_SOURCES})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}/src
                 ${CMAKE_BINARY_DIR}/generated FILES ${LIB_HEADERS})
  set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ${MAGPIE_TESTS})
  foreach(dependency IN LISTS LIB_DEPENDS)
    target_link_libraries(${target} PUBLIC magpie_${dependency})
  endforeach()
  target_link_libraries(${target} PUBLIC ${LIB_EXTERNAL})
  if(MAGPIE_TESTS)
    set(probe ${CMAKE_BINARY_DIR}/link_test/${name}.cc)
    if(NOT EXISTS ${probe})
      file(WRITE ${probe} "int main() { return 0; }\n")
    endif()
    add_executable(${target}_link_test ${probe})
    target_link_libraries(${target}_link_test PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,${target}>)
    add_test(NAME link.${name} COMMAND ${target}_link_test)
  endif()
endfunction()

# Tests that read files of the tree include this header; all others compile to the same object in
# every clone, so ccache finds it.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated_for_tests/source_tree/source_dir.h
  CONTENT "#pragma once\n#define MAGPIE_SOURCE_DIR \"${CMAKE_SOURCE_DIR}\"\n")

function(magpie_test name)
  if(NOT MAGPIE_TESTS)
    return()
  endif()
  cmake_parse_arguments(TEST "" "SHARDS" "SOURCES;DEPENDS;EXTERNAL" ${ARGN})
  set(target magpie_${name}_test)
  add_executable(${target} ${TEST_SOURCES})
  target_link_libraries(${target} PRIVATE magpie_${name} GTest::gtest_main ${TEST_EXTERNAL})
  foreach(dependency IN LISTS TEST_DEPENDS)
    target_link_libraries(${target} PRIVATE magpie_${dependency})
  endforeach()
  target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/generated_for_tests)
  # tools/run_tests.py counts the test cases it finds here.
  set(results "GTEST_OUTPUT=xml:${CMAKE_BINARY_DIR}/test_results")
  if(NOT TEST_SHARDS)
    add_test(NAME ${name} COMMAND ${target} --gtest_brief=1)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${results}/${name}.xml")
    return()
  endif()
  # Parts of a long suite that run beside each other.
  math(EXPR last "${TEST_SHARDS} - 1")
  foreach(shard RANGE ${last})
    add_test(NAME ${name}.${shard} COMMAND ${target} --gtest_brief=1)
    set(part "GTEST_TOTAL_SHARDS=${TEST_SHARDS};GTEST_SHARD_INDEX=${shard}")
    set_tests_properties(${name}.${shard} PROPERTIES
      ENVIRONMENT "${results}/${name}.${shard}.xml;${part}")
  endforeach()
endfunction()

# A libFuzzer target; built only with -DMAGPIE_FUZZERS=ON, which needs clang. The target
# magpie_fuzzers stands for all of them.
function(magpie_fuzzer name source)
  if(NOT MAGPIE_FUZZERS)
    return()
  endif()
  get_filename_component(target ${source} NAME_WE)
  add_executable(${target} ${source})
  target_link_libraries(${target} PRIVATE magpie_${name})
  target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  if(NOT TARGET magpie_fuzzers)
    add_custom_target(magpie_fuzzers)
  endif()
  add_dependencies(magpie_fuzzers ${target})
endfunction()

# Checks of the source tree itself, and a check of the checks.
function(magpie_house_tests)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  foreach(check layers purity size format docs)
    add_test(NAME house.${check}
             COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_${check}.py
                     --source ${CMAKE_SOURCE_DIR} --build ${CMAKE_BINARY_DIR})
    set_tests_properties(house.${check} PROPERTIES SKIP_RETURN_CODE 77)
  endforeach()
  add_test(NAME house.self_test
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/tests/run.py)
endfunction()
