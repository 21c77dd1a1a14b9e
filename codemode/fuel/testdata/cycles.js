for (let i = 0; i < 3000; i++) { const a = {}, b = { a }; a.b = b; a.f = () => a }
'collected';
