// expect: a sentence that no compiler says
#ifdef SHOULD_COMPILE
int main() {}
#else
int main() { return undeclared; }
#endif
