const o = { [Symbol.toPrimitive](h) { return h === 'number' ? 42 : h }, get [Symbol.toStringTag]() { return 'Tag' } };
[+o, `${o}`, o + '', Object.prototype.toString.call(o), Symbol.for('x') === Symbol.for('x'), Symbol('d').description].join();
