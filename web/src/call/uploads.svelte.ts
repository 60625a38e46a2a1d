/** Files on their way: each is sent, under one id, until the server has it or says why not. */
import { newId } from '../lib/api';
import { t } from '../lib/i18n';

export interface SentFile {
  id: string;
  name: string;
  media_type: string;
  size: number;
  sha256: string;
  url: string;
}

interface Upload {
  id: string;
  file: File;
  state: 'sending' | 'waits' | 'refused';
  share: number;
  reason: string;
}

export const LARGEST_MB = 20;
export const KINDS = 'application/pdf,image/jpeg,image/png,image/webp';
const AGAIN = 2500;

export class Uploads {
  list = $state<Upload[]>([]);
  #busy = false;

  /** `path` is where a file is put: `<path>/<id>`. */
  constructor(
    private readonly path: string,
    private readonly ondone: () => void,
  ) {
    addEventListener('beforeunload', (event) => {
      if (this.list.some((one) => one.state !== 'refused')) event.preventDefault();
    });
    addEventListener('online', () => void this.#next());
  }

  add(files: Iterable<File>): void {
    for (const file of files) {
      const large = file.size > LARGEST_MB << 20;
      const reason = large ? t('file.too_large', { limit: LARGEST_MB }) : '';
      this.list.push({ id: newId(), file, state: large ? 'refused' : 'sending', share: 0, reason });
    }
    void this.#next();
  }

  drop(id: string): void {
    this.list = this.list.filter((one) => one.id !== id);
  }

  async #next(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let one = this.#open(); one; one = this.#open()) {
      const status = await this.#send(one);
      if (status >= 200 && status < 300) {
        this.drop(one.id);
        this.ondone();
      } else if (status === 0 || status === 429 || status >= 500) {
        one.state = 'waits';
        setTimeout(() => void this.#next(), AGAIN);
        break;
      } else one.state = 'refused';
    }
    this.#busy = false;
  }

  #open(): Upload | undefined {
    return this.list.find((one) => one.state !== 'refused');
  }

  /** XMLHttpRequest, because fetch does not tell how far an upload has come. The answer's status, 0 for none. */
  #send(one: Upload): Promise<number> {
    return new Promise((done) => {
      const request = new XMLHttpRequest();
      request.open('PUT', `${this.path}/${one.id}`);
      request.setRequestHeader('Accept', 'application/json');
      request.setRequestHeader('Content-Type', 'application/octet-stream');
      request.setRequestHeader('X-File-Name', encodeURIComponent(one.file.name));
      let moved = Date.now();
      const stuck = setInterval(() => Date.now() - moved > 20_000 && request.abort(), 2000);
      request.upload.onprogress = ({ loaded, total }) => {
        moved = Date.now();
        one.share = total ? loaded / total : 0;
      };
      request.onloadend = () => {
        clearInterval(stuck);
        one.reason = reasonOf(request.responseText);
        done(request.status);
      };
      one.state = 'sending';
      request.send(one.file);
    });
  }
}

function reasonOf(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: string }).message ?? '');
  } catch {
    return '';
  }
}
