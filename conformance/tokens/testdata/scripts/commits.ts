const repo = { owner: "acme", repo: "rocket" };
const commits: any = await github.list_commits({ ...repo, perPage: 10 });
const details: any[] = await Promise.all(commits.map((c: any) => github.get_commit({ ...repo, sha: c.sha })));
const authors: Record<string, { commits: number; additions: number; deletions: number }> = {};
for (const c of details) {
  const a = (authors[c.author.login] ??= { commits: 0, additions: 0, deletions: 0 });
  a.commits++;
  a.additions += c.stats.additions;
  a.deletions += c.stats.deletions;
}
return authors;
