const fs = [];
for (let i = 0; i < 10; i++) fs.push(() => i++ * 2);
fs.map((f) => f() + f()).join();
