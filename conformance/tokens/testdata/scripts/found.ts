const found: any = await github.search_repositories({ query: "mcp", perPage: 30 });
return found.items.map((r: any) => ({ name: r.full_name, stars: r.stargazers_count }));
