declare const sequentialthinking: {
  sequentialthinking(input: {thought: string; nextThoughtNeeded: boolean | string; thoughtNumber: number; totalThoughts: number; isRevision?: boolean | string; revisesThought?: number; branchFromThought?: number; branchId?: string; needsMoreThoughts?: boolean | string}): Promise<{thoughtNumber: number; totalThoughts: number; nextThoughtNeeded: boolean; branches: string[]; thoughtHistoryLength: number}>; // [read] A detailed tool for dynamic and reflective problem-solving through thoughts
};
