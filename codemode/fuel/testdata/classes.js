class A { #p = 1; static s = 2; get p() { return this.#p } set p(v) { this.#p = v * 2 } *[Symbol.iterator]() { yield this.#p; yield A.s } }
class B extends A { constructor() { super(); this.q = super.p } toString() { return [...this].join('/') + this.q } }
const b = new B(); b.p = 21; `${b} ${b instanceof A} ${Object.keys(b)}`;
