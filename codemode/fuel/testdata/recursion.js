function d(n) { return n ? 1 + d(n - 1) : 0 }
let deep = 0;
try { (function f() { deep++; f() })() } catch (e) { deep = e.name + (deep > 100) }
d(500) + deep;
