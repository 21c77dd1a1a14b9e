var z = 3;
[eval('z * 2'), new Function('a', 'b', 'return a ** b')(2, 10), (0, eval)('typeof z')].join();
