const info = await filesystem.get_file_info({ path: "docs/doc-01.md" });
return info.content.match(/^size: (\d+)/m)![1];
