/** Letters and digits that form no words and are not mistaken for each other, as Kubernetes' generated names use. */
export const SAFE_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'
