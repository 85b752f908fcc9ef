// Tables of named bad inputs: how many different ones a test program met. Said at its end and summed by tools/test_summary.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <set>
#include <string>

/// A bad input called `name`, in the test case that runs.
inline void named_case(std::string const& name) {
  static struct all_of_them {
    std::set<std::string> names;
    ~all_of_them() { std::printf("named bad inputs: %zu\n", names.size()); }
  } met;
  met.names.insert(std::string(doctest::getContextOptions()->currentTest->m_name) + ": " + name);
}
