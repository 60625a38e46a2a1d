/** Browsers inside other apps often have no camera; the person is told to open the page in a real one. */
const SIGNS = /FBAN|FBAV|Instagram|Line\/|MicroMessenger|Twitter|LinkedInApp|Snapchat|TikTok|; wv\)|Telegram/i;

export const inApp = SIGNS.test(navigator.userAgent) || !navigator.mediaDevices;
