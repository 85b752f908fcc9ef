// expect: nothing, for there is no mistake
int main() {}
